"""Optional packages: which extra of contrascope brings each, and the one sentence where it is missing."""

import contextlib
from collections.abc import Iterator

from contrascope.errors import MissingExtraError

EXTRAS = {
    "accelerate": "train",
    "datasets": "train",
    "huggingface_hub": "train",
    "pyarrow": "train",
    "PIL": "train",
    "sklearn": "train",
    "jinja2": "report",
    "timm": "timm",
    "transformers": "hf",
    "sentence_transformers": "sentence",
    "tokenizers": "text",
    "torchvision": "torchvision",
    "peft": "peft",
    "lightning": "lightning",
    "matplotlib": "figures",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
    "submitit": "cluster",
}
"""Top-level package to the extra that installs it."""
INSTALLED_AS = {"PIL": "pillow", "sklearn": "scikit-learn", "sentence_transformers": "sentence-transformers"}
"""What a package is called where it is installed, if not by its own name."""
WITH_ALL = ("train", "report")
"""Extras that `all` holds."""


def install_line(extra: str) -> str:
    """What to type for the packages of an extra, however contrascope came here: by a checkout, a wheel or an index.

    contrascope is installed where this is read, so pip adds what the extra needs beside it and looks contrascope itself
    up nowhere; a test types the line.

    >>> install_line("onnx")
    "pip install 'contrascope[onnx]'"
    """
    return f"pip install 'contrascope[{extra}]'"


def missing_extra(package: str, what: str = "this") -> MissingExtraError:
    """The sentence for a package that is not installed; `what` needs it.

    >>> print(missing_extra("accelerate"))
    this needs the package accelerate, which is not installed. Run: pip install 'contrascope[all]'
    >>> print(missing_extra("onnx", "this export"))
    this export needs the package onnx, which is not installed. Run: pip install 'contrascope[onnx]'
    """
    top = package.partition(".")[0]
    extra = EXTRAS[top]
    return MissingExtraError(
        f"{what} needs the package {INSTALLED_AS.get(top, top)}, which is not installed. "
        f"Run: {install_line('all' if extra in WITH_ALL else extra)}"
    )


def extra_of(error: BaseException | None) -> str | None:
    """The package of an extra whose absence is this error, or what it came from; None for any other.

    >>> extra_of(ModuleNotFoundError("No module named 'PIL'", name="PIL.Image"))
    'PIL'
    >>> extra_of(ImportError("cannot import name 'x' from 'PIL'", name="PIL")) is None
    True
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    top = (error.name or "").partition(".")[0]
    return top if top in EXTRAS else None


@contextlib.contextmanager
def named_extras() -> Iterator[None]:
    """A package of an extra that is missing inside ends in the sentence that names the extra.

    >>> with named_extras():
    ...     raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
    Traceback (most recent call last):
    contrascope.errors.MissingExtraError: this needs the package jinja2, ... pip install 'contrascope[all]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = extra_of(error)
        if package is None:
            raise
        raise missing_extra(package) from error
