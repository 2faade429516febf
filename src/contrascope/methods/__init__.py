"""Methods: networks, loss and state; views in, the two halves of a loss out."""

from contrascope.methods.base import Method as Method
from contrascope.methods.base import MethodSettings as MethodSettings
from contrascope.methods.base import StepOutput as StepOutput
from contrascope.methods.joint.barlow_twins import BarlowTwinsSettings as BarlowTwinsSettings
from contrascope.methods.joint.simclr import SimCLRSettings as SimCLRSettings
from contrascope.methods.joint.vicreg import VICRegSettings as VICRegSettings
from contrascope.methods.momentum.byol import BYOLSettings as BYOLSettings
from contrascope.methods.momentum.moco import MoCoSettings as MoCoSettings
from contrascope.methods.predict.simsiam import SimSiamSettings as SimSiamSettings
from contrascope.methods.registry import METHODS as METHODS
from contrascope.methods.registry import AnyMethodSettings as AnyMethodSettings
from contrascope.methods.registry import build_method as build_method
