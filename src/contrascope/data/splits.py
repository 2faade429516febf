"""Which splits a setting opens."""

from collections.abc import Iterable

from contrascope.errors import MissingSplitError, did_you_mean


def pick_splits(wanted: str, known: Iterable[str], *, name: str) -> list[str]:
    """The wanted split, or every one for `all`; MissingSplitError with the known ones for another.

    >>> pick_splits("all", ["train", "test"], name="pets")
    ['train', 'test']
    """
    names = list(known)
    if wanted == "all":
        return names
    if wanted not in names:
        raise MissingSplitError(
            f"{name} has no split {wanted!r}; expected one of {', '.join([*names, 'all'])}. "
            f"{did_you_mean(wanted, [*names, 'all'])} Set data.split."
        )
    return [wanted]
