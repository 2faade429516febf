"""Makes torchvision importable beside a torch whose build lacks two of its compiled operators."""

import pytest
import torch

_KEPT = []


def import_torchvision():
    """torchvision.transforms.v2, or a skip that says why."""
    if not _KEPT:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
    return pytest.importorskip("torchvision.transforms.v2", reason="torchvision is not installed: no parity test")
