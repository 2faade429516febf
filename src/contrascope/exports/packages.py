"""Packages of optional extras, imported when they are needed."""

import importlib
from types import ModuleType

from contrascope.errors import InputError
from contrascope.extras import missing_extra
from contrascope.machine.torchvision_operators import complete_torchvision


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
            raise missing_extra(top) from error
        raise InputError(
            f"{top} is installed but cannot be imported: {error}. Install builds of torch and {top} "
            "that belong together."
        ) from error
