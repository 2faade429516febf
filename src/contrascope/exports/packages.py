"""Packages of optional extras, imported when they are needed."""

import importlib
from types import ModuleType

from contrascope.errors import InputError, MissingExtraError
from contrascope.machine.torchvision_operators import complete_torchvision

EXTRAS = {
    "timm": "timm",
    "transformers": "hf",
    "torchvision": "torchvision",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
}
"""Top-level package to the extra that installs it."""


def package(name: str) -> ModuleType:
    """The module of an optional package; the error names the extra where it is missing.

    >>> package("onnx.nowhere")
    Traceback (most recent call last):
    contrascope.errors.MissingExtraError: this needs the package onnx...
    """
    top = name.partition(".")[0]
    complete_torchvision()  # timm and transformers import it
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == top:
            raise MissingExtraError(
                f"this needs the package {top}, which is not installed. "
                f"Run: pip install 'contrascope[{EXTRAS[top]}]'"
            ) from error
        raise InputError(
            f"{top} is installed but cannot be imported: {error}. Install builds of torch and {top} "
            "that belong together."
        ) from error
