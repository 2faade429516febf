"""The one exception for what a user can put right, and the suggestion of the nearest right word."""

import difflib
from collections.abc import Iterable

LONGEST = 4000
"""Characters of a message."""


class InputError(ValueError):
    """What came, what was expected, what to do. The command line exits with code 2 on it.

    A long message, where a file gave a name of many thousand letters say, keeps its beginning and its end.

    >>> len(str(InputError("x" * 100_000)))
    4000
    """

    def __init__(self, message: str = "") -> None:
        kept = (LONGEST - 3) // 2
        cut = len(message) > LONGEST
        super().__init__(f"{message[: kept + 1]}...{message[-kept:]}" if cut else message)


class MissingSplitError(InputError):
    """The data has no split of this name; the message lists those it has."""


class MissingExtraError(InputError, ImportError):
    """A package of an optional extra is needed and absent; the message names the extra."""


class LabelWarning(UserWarning):
    """Labels allow no score, or not for all images; the message names the classes. Commands print it with the table."""


def did_you_mean(word: str, known: Iterable[str], *, listed: Iterable[str] = ()) -> str:
    """A sentence that offers the nearest known word, or lists the known ones; of many `listed` stands for all.

    >>> did_you_mean("epoch", ["epochs", "batch_size"])
    "Did you mean 'epochs'?"
    >>> did_you_mean("qqq", ["epochs"])
    'Known: epochs.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word[:80], names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(listed) or names)}."
