"""Watches the loss for values that are no numbers, without stopping the device at each step."""

from pathlib import Path

import torch
from torch import Tensor

from contrascope import records


class NonFiniteLossError(RuntimeError):
    """The loss is no longer a number; the message says at which step, why probably, and what is left."""


class LossWatch:
    """Keeps the first bad step on the device; `check` reads it."""

    def __init__(self, run: Path, device: torch.device) -> None:
        self._run = run
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)
        self._bad_half = torch.zeros(2, dtype=torch.bool, device=device)

    def see(self, step: int, halves: Tensor) -> None:
        """Look at one step's (align, spread)."""
        bad = ~torch.isfinite(halves)
        first = (self._first_bad < 0) & bad.any()
        self._bad_half = torch.where(first, bad, self._bad_half)
        self._first_bad = torch.where(first, torch.full_like(self._first_bad, step), self._first_bad)

    def check(self) -> None:
        """Raise `NonFiniteLossError` if a bad step was seen."""
        step = int(self._first_bad)
        if step < 0:
            return
        names = [name for name, bad in zip(("align", "spread"), self._bad_half.tolist(), strict=True) if bad]
        kept = records.checkpoint_folders(self._run)
        last = (
            f"The last good checkpoint is {kept[-1][1]}." if kept else "No checkpoint had been written yet."
        )
        raise NonFiniteLossError(
            f"the loss is not finite since step {step} (in its {' and '.join(names)} half). {last} {_cause(step)}"
        )


def _cause(step: int) -> str:
    if step <= 1:
        return (
            "It was so from the first step: look for constant or broken images, a loss of your own that divides "
            "by zero, or a temperature too small for the precision."
        )
    return (
        "It was finite before, so the weights diverged: lower --optim.lr, lengthen --schedule.warmup-epochs, or "
        "set --training.clip-norm; with bf16, try --training.precision float32."
    )
