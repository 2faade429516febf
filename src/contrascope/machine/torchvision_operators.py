"""Torchvision beside a torch whose build its compiled operators do not fit: what its import asks for is declared."""

import functools
import importlib.util
import sys
from pathlib import Path

import torch

ASKED = ("nms", "qnms")
"""Operators that torchvision's import describes whether they are there or not; no encoder runs them."""


_declared: list[torch.library.Library] = []
"""What was declared lasts as long as this holds it: as long as the process."""


@functools.cache
def complete_torchvision() -> bool:
    """Declares torchvision's operators where the compiled ones do not load, before torchvision is imported.

    Timm, transformers and Lightning import it too. Where the operators load, or there is no torchvision, nothing is
    done: a second declaration would end the process. Returns whether they were declared.

    >>> complete_torchvision() is complete_torchvision()
    True
    """
    if "torchvision" in sys.modules:
        return False
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _loads(Path(found.origin).parent):
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ASKED:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    return True


def _loads(package: Path) -> bool:
    """Whether the compiled operators that lie in the package load, as its own import will load them."""
    for path in sorted(package.glob("_C*")):
        if path.suffix in (".so", ".pyd", ".dylib", ".dll"):
            try:
                torch.ops.load_library(str(path))
            except OSError:
                continue
            return True
    return False
