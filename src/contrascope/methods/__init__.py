"""Methods: networks, loss and state; views in, the two halves of a loss out."""

from contrascope.methods.barlow_twins import BarlowTwinsSettings as BarlowTwinsSettings
from contrascope.methods.base import Method as Method
from contrascope.methods.base import MethodSettings as MethodSettings
from contrascope.methods.base import StepOutput as StepOutput
from contrascope.methods.byol import BYOLSettings as BYOLSettings
from contrascope.methods.moco import MoCoSettings as MoCoSettings
from contrascope.methods.registry import METHODS as METHODS
from contrascope.methods.registry import AnyMethodSettings as AnyMethodSettings
from contrascope.methods.registry import build_method as build_method
from contrascope.methods.simclr import SimCLRSettings as SimCLRSettings
from contrascope.methods.simsiam import SimSiamSettings as SimSiamSettings
from contrascope.methods.vicreg import VICRegSettings as VICRegSettings
