"""Methods: networks, loss and state; views in, the two halves of a loss out."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.methods.base import Method as Method
    from contrascope.methods.base import Optimised as Optimised
    from contrascope.methods.base import StepOutput as StepOutput
    from contrascope.methods.build import build_method as build_method
    from contrascope.methods.embedding import JointEmbedding as JointEmbedding
    from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings as BarlowTwinsSettings
    from contrascope.methods.joint.plain_settings import PlainSettings as PlainSettings
    from contrascope.methods.joint.simclr_settings import SimCLRSettings as SimCLRSettings
    from contrascope.methods.joint.vicreg_settings import VICRegSettings as VICRegSettings
    from contrascope.methods.momentum.byol_settings import BYOLSettings as BYOLSettings
    from contrascope.methods.momentum.moco_settings import MoCoSettings as MoCoSettings
    from contrascope.methods.predict.simsiam_settings import SimSiamSettings as SimSiamSettings
    from contrascope.methods.registry import METHODS as METHODS
    from contrascope.methods.settings import JointSettings as JointSettings
    from contrascope.methods.settings import MethodSettings as MethodSettings
    from contrascope.methods.settings import method_settings as method_settings
    from contrascope.methods.views import Group as Group
    from contrascope.methods.views import ViewBatch as ViewBatch
    from contrascope.methods.views import ViewPlan as ViewPlan

__getattr__ = attach(
    __name__,
    {
        "Method": "base",
        "Optimised": "base",
        "StepOutput": "base",
        "JointEmbedding": "embedding",
        "BarlowTwinsSettings": "joint.barlow_twins_settings",
        "PlainSettings": "joint.plain_settings",
        "SimCLRSettings": "joint.simclr_settings",
        "VICRegSettings": "joint.vicreg_settings",
        "BYOLSettings": "momentum.byol_settings",
        "MoCoSettings": "momentum.moco_settings",
        "SimSiamSettings": "predict.simsiam_settings",
        "METHODS": "registry",
        "build_method": "build",
        "JointSettings": "settings",
        "MethodSettings": "settings",
        "method_settings": "settings",
        "Group": "views",
        "ViewPlan": "views",
        "ViewBatch": "views",
    },
)
