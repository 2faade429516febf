"""Losses over views: pure functions of embeddings that return their alignment and their spread.

Every file of this folder is imported here, so that a loss is in `LOSSES` as soon as it has a file.
"""

import importlib
import pkgutil

from contrascope.losses.barlow_twins import barlow_twins as barlow_twins
from contrascope.losses.contrastive import decoupled as decoupled
from contrascope.losses.contrastive import info_nce_queue as info_nce_queue
from contrascope.losses.contrastive import modified_info_nce as modified_info_nce
from contrascope.losses.contrastive import nt_xent as nt_xent
from contrascope.losses.cosine import byol as byol
from contrascope.losses.cosine import negative_cosine as negative_cosine
from contrascope.losses.pairs import Positives as Positives
from contrascope.losses.pairs import SoftWorst as SoftWorst
from contrascope.losses.pairs import reduce_pairs as reduce_pairs
from contrascope.losses.registry import LOSSES as LOSSES
from contrascope.losses.registry import LossInfo as LossInfo
from contrascope.losses.spectral import linear_contrastive as linear_contrastive
from contrascope.losses.spectral import spectral as spectral
from contrascope.losses.terms import LossTerms as LossTerms
from contrascope.losses.uniformity import alignment_uniformity as alignment_uniformity
from contrascope.losses.vicreg import vicreg as vicreg
from contrascope.losses.vicreg import vicreg_paper as vicreg_paper

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")
for _name, _info in LOSSES.items():  # also a loss that no line above names
    globals()[_name] = _info.fn
