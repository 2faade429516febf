"""Features of images: from a frozen encoder, from raw pixels, or from a file."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.features.embed import embed as embed
    from contrascope.features.embed import raw_pixels as raw_pixels
    from contrascope.features.features import Features as Features
    from contrascope.features.files import load_features as load_features
    from contrascope.features.files import save_features as save_features

__getattr__ = attach(
    __name__,
    {
        "embed": "embed",
        "raw_pixels": "embed",
        "Features": "features",
        "load_features": "files",
        "save_features": "files",
    },
)
