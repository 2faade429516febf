"""An encoder as ONNX: images in [0, 1] to h, any batch size, checked with onnxruntime before it is kept."""

import contextlib
import copy
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from contrascope.exports.layout import encoded, require_same
from contrascope.exports.packages import package
from contrascope.types import FloatImages

TOLERANCE = 1e-4
"""Largest difference of an output, relative to the largest output where that is above 1."""
FILE = "model.onnx"


def write_onnx(encoder: nn.Module, images: FloatImages, path: Path, *, tolerance: float = TOLERANCE) -> float:
    """Writes the encoder, its normalisation included, and returns by how much onnxruntime differs from torch.

    Input `images` [batch channel height width], output `h` [batch dim], float32; only the batch is free. Made by
    torch's exporter on `torch.export`. Both run on all `images` and on one of them alone; a file that differs by
    more than `tolerance` is removed and refused with the difference.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        package(name)
    network = copy.deepcopy(encoder).cpu().float().eval()
    expected = encoded(network, images)
    try:
        _export(network, images, path)
        found = torch.from_numpy(_run(path, images)).double()
        alone = torch.from_numpy(_run(path, images[:1])).double()
        difference = require_same(expected, found, tolerance=tolerance, what="ONNX file")
        return max(difference, require_same(expected[:1], alone, tolerance=tolerance, what="ONNX file"))
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _export(network: nn.Module, images: FloatImages, path: Path) -> None:
    example = images[:2] if len(images) > 1 else images.expand(2, -1, -1, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes on its own parts
        program = torch.onnx.export(
            network,
            (example.contiguous(),),
            dynamo=True,
            input_names=["images"],
            output_names=["h"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
        assert program is not None
        program.save(str(path), external_data=False)


def _run(path: Path, images: FloatImages) -> np.ndarray:
    runtime = package("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["h"], {"images": images.numpy()})[0]
