import importlib
import importlib.util

import pytest
import torch

_DECLARED = []
"""Operator libraries live as long as something refers to them."""


@pytest.fixture
def torchvision():
    """torchvision, its two compiled operators declared where its build lacks them."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
            _DECLARED.append(library)
    return importlib.import_module("torchvision")
