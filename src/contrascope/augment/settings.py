"""Which policy makes the views; without torch."""

import importlib
from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.settings import Open, written_as


class AnyOp(Open):
    """What settings know of an operation: it is named by its class. `contrascope.augment.op` says what it does."""

    @classmethod
    def named(cls, kind: str) -> type:
        """One of the operations here."""
        presets = importlib.import_module(f"{__package__}.presets")  # with torch, if operations are listed
        return presets.find_operation(kind)


@written_as("ListedPolicy")
@dataclass(frozen=True, kw_only=True)
class ListedPolicy:
    """One of the policies that views take in turn."""

    name: str
    """What records and reports call it."""
    ops: tuple[AnyOp, ...]
    """Operations in their order."""


@written_as("PolicySettings")
@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """Which policy makes the views."""

    name: str = "simclr"
    """A preset, or letters of the five operations: a crop, b blur, c gray, d colour, e flip; else any name."""
    strength: float | None = None
    """Strength of colour distortion; None: that of the preset, or 0.5 for letters."""
    size: int | None = None
    """Side of the views in pixels; None: the images' own. Smaller ones train faster."""
    ops: tuple[AnyOp, ...] = ()
    """Operations in their order, as a policy file gives them; empty: those of the name."""
    policies: tuple[ListedPolicy, ...] = ()
    """Policies of the first view, the second and so on, in turn, as a file gives them; empty: `ops` for all."""

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise InputError(
                f"policy.size is {self.size}; expected 1 px or more, or nothing for the images' own."
            )
