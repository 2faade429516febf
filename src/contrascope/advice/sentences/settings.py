"""What the advisor of sentences looks at; without torch."""

from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.settings import written_as


@written_as("TextAdviceSettings")
@dataclass(frozen=True, kw_only=True)
class TextAdviceSettings:
    """Which views of sentences are tried, on how many, and for how long each is learnt from."""

    vocabulary: str = ""
    """Folder or name on the hub of the tokeniser."""
    column: str = ""
    """Column of text; unset: text or sentence."""
    delete: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    """Shares of the words that are deleted, each a candidate."""
    keep: tuple[float, ...] = (0.8, 0.6, 0.4, 0.2)
    """Lengths of a kept span as shares of the words, each a candidate."""
    sentences: int = 8000
    """Sentences that are looked at, drawn by the seed; a quarter of them is never learnt from."""
    steps: int = 300
    """Steps of each short training."""
    batch: int = 128
    """Sentences of a step."""
    width: int = 128
    """Numbers of a token in the small network of the short trainings."""
    seed: int = 0
    """Of the sentences, views and weights."""

    def __post_init__(self) -> None:
        for name in ("delete", "keep"):
            wrong = [share for share in getattr(self, name) if not 0 < share < 1]
            if wrong:
                raise InputError(f"text.{name} has {wrong[0]}; expected shares above 0 and below 1.")
        for name, least in (("sentences", 256), ("steps", 1), ("batch", 2), ("width", 1)):
            if getattr(self, name) < least:
                raise InputError(f"text.{name} is {getattr(self, name)}; expected {least} or more.")
        if not (*self.delete, *self.keep):
            raise InputError("text.delete and text.keep are both empty; give a share to try.")
