"""Views of images: operations, policies, presets, all with keyed randomness."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.augment.blur import GaussianBlur as GaussianBlur
    from contrascope.augment.crop import RandomResizedCrop as RandomResizedCrop
    from contrascope.augment.flip import HorizontalFlip as HorizontalFlip
    from contrascope.augment.jitter import ColorJitter as ColorJitter
    from contrascope.augment.jitter import Grayscale as Grayscale
    from contrascope.augment.jitter import Invert as Invert
    from contrascope.augment.jitter import Solarize as Solarize
    from contrascope.augment.occlusion import Cutout as Cutout
    from contrascope.augment.occlusion import GaussianNoise as GaussianNoise
    from contrascope.augment.op import AbstractOp as AbstractOp
    from contrascope.augment.policy import LETTERS as LETTERS
    from contrascope.augment.policy import Policy as Policy
    from contrascope.augment.policy import policy as policy
    from contrascope.augment.presets import PRESETS as PRESETS
    from contrascope.augment.presets import build_policy as build_policy
    from contrascope.augment.presets import preset as preset
    from contrascope.augment.settings import PolicySettings as PolicySettings
    from contrascope.augment.views import ViewParams as ViewParams
    from contrascope.augment.views import make_views as make_views
    from contrascope.augment.views import replay as replay
    from contrascope.augment.warp import Affine as Affine
    from contrascope.augment.warp import Elastic as Elastic
    from contrascope.draws import DrawKey as DrawKey

__getattr__ = attach(
    __name__,
    {
        "GaussianBlur": "blur",
        "RandomResizedCrop": "crop",
        "HorizontalFlip": "flip",
        "ColorJitter": "jitter",
        "Grayscale": "jitter",
        "Invert": "jitter",
        "Solarize": "jitter",
        "Cutout": "occlusion",
        "GaussianNoise": "occlusion",
        "AbstractOp": "op",
        "LETTERS": "policy",
        "Policy": "policy",
        "policy": "policy",
        "PRESETS": "presets",
        "build_policy": "presets",
        "preset": "presets",
        "PolicySettings": "settings",
        "ViewParams": "views",
        "make_views": "views",
        "replay": "views",
        "Affine": "warp",
        "Elastic": "warp",
        "DrawKey": "views",
    },
)
