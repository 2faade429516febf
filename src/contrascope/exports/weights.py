"""A folder with an encoder's weights: written, loaded again by the library it is for, and compared."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from contrascope import records
from contrascope.encoders.encoder import Encoder
from contrascope.errors import InputError
from contrascope.exports.blueprint import (
    CONFIG,
    WEIGHTS,
    Blueprint,
    load_encoder,
    save_blueprint,
    save_tensors,
)
from contrascope.exports.layout import GRAY_REMARK, Layout, encoded, normalised, require_same
from contrascope.exports.layouts import OWN_CODE, Library, layout_of
from contrascope.exports.standalone import CODE, FILE
from contrascope.types import FloatImages

TOLERANCE = 1e-5
"""Largest difference of an output, relative to the largest output where that is above 1."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What came of writing."""

    layout: Layout
    """What was written."""
    difference: float | None
    """Largest difference between the encoder and what the library makes of the folder; None: not compared."""
    unchecked: str = ""
    """Why it was not compared."""


def write_weights(
    encoder: Encoder,
    made: Blueprint,
    to: Library,
    folder: Path,
    images: FloatImages,
    *,
    tolerance: float = TOLERANCE,
) -> Written:
    """Writes model.safetensors and what the library needs beside it, then loads it there and compares outputs.

    Names and shapes must agree strictly. Raises `InputError` where the library has no such network or where
    outputs on `images` differ by more than `tolerance`; where the library is not installed, that is said.
    """
    layout = layout_of(encoder, made, to)
    if made.settings.gray and layout.code not in (OWN_CODE, CODE):
        layout = replace(layout, remark=f"{layout.remark} {GRAY_REMARK}".strip())
    save_tensors(layout.tensors, folder)
    save_blueprint(made, folder, dim=encoder.dim, names=layout.names)
    if layout.config:
        records.write_json(folder / CONFIG, layout.config)
    if layout.file:
        records.write_atomic(folder / FILE, layout.file.encode())
    expected = encoded(encoder, images)
    found = encoded(load_encoder(folder), images)
    require_same(expected, found, tolerance=tolerance, what="encoder that was loaded again")
    if to != "safetensors" and layout.code != CODE:
        if to == "hf" and made.channels == 3 and not made.settings.gray:  # which a preprocessor cannot do
            records.write_json(folder / "preprocessor_config.json", preprocessor(made))
        try:
            network = layout.build(load_file(folder / WEIGHTS))
        except InputError as missing:
            return Written(layout=layout, difference=None, unchecked=str(missing))
        found = encoded(network, normalised(encoder, images))
    what = f"{layout.library} model"
    difference = require_same(expected, found, tolerance=tolerance, what=what)
    return Written(layout=layout, difference=difference)


def preprocessor(made: Blueprint) -> dict[str, Any]:
    """The preprocessor_config.json of transformers: resize to the side of the images, scale, normalise.

    >>> from contrascope.encoders.build import EncoderSettings
    >>> preprocessor(Blueprint(settings=EncoderSettings(), channels=3, size=32))["size"]
    {'height': 32, 'width': 32}
    """
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": made.side, "width": made.side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(made.settings.mean or ()),
        "image_std": list(made.settings.std or ()),
    }
