"""Which splits a setting opens."""

from collections.abc import Iterable

from contrascope.errors import MissingSplitError, did_you_mean

SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""A split and what people call it, in any capitals."""


def split_word(name: str) -> str | None:
    """The split that a name stands for; None for any other name.

    >>> split_word("Training"), split_word("VAL"), split_word("cat")
    ('train', 'validation', None)
    """
    return next((split for split, words in SPLIT_WORDS.items() if name.casefold() in words), None)


def pick_splits(wanted: str, known: Iterable[str], *, name: str, by_meaning: bool = False) -> list[str]:
    """The wanted split, or every one for `all`; MissingSplitError with the known ones for another.

    `by_meaning`: a split that is called otherwise in the data is found by what its word means, if one alone means it.

    >>> pick_splits("all", ["train", "test"], name="pets")
    ['train', 'test']
    >>> pick_splits("test", ["Training", "Testing"], name="pets", by_meaning=True)
    ['Testing']
    """
    names = list(known)
    if wanted == "all":
        return names
    meant = split_word(wanted) if by_meaning else None
    alike = [one for one in names if meant is not None and split_word(one) == meant]
    if wanted not in names and len(alike) != 1:
        raise MissingSplitError(
            f"{name} has no split {wanted!r}; expected one of {', '.join([*names, 'all'])}. "
            f"{did_you_mean(wanted, [*names, 'all'])} Set data.split."
        )
    return [wanted] if wanted in names else alike
