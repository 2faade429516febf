"""The methods that came later, unharmed and each with a setting that breaks it."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from verdict_cases import CONTRASTIVE, WIDE, Case, Truth, case

from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.losses.cosine import unit_distance
from contrascope.losses.terms import LossTerms
from contrascope.methods.adversarial.bigan_settings import BiGANSettings
from contrascope.methods.build import build_method
from contrascope.methods.cluster.swav_settings import SwAVSettings
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.nnclr_settings import NNCLRSettings
from contrascope.methods.joint.w_mse_settings import WMSESettings
from contrascope.methods.momentum.dino_settings import DINOSettings
from contrascope.methods.pretext.mae_settings import MAESettings
from contrascope.methods.settings import JointSettings, MethodSettings
from contrascope.training.settings import OptimSettings

HEAD = replace(WIDE, out=64)
SWAV = SwAVSettings(projector=HEAD, prototypes=64, epsilon=0.03, freeze=0.1)
DINO = DINOSettings(
    projector=ProjectorSettings(hidden=(256,), out=64, activation="gelu"),
    prototypes=128,
    ema_decay=0.99,
    freeze=0.1,
)
W_MSE = WMSESettings(projector=replace(HEAD, out=32))
NNCLR = NNCLRSettings(
    temperature=0.2,
    queue_size=1024,
    projector=replace(HEAD, batch_norm_out=True),
    predictor=ProjectorSettings(hidden=(256,), out=64, batch_norm=True),
)
MAE = MAESettings(decoder_width=32, decoder_depth=2, decoder_heads=2)
BIGAN = BiGANSettings(projector=CONTRASTIVE, generator_widths=(64, 32), discriminator_width=16)
VIT = EncoderSettings(name="vit-tiny", width=48, depth=3, heads=4, patch=2)
ADAM = OptimSettings(name="adamw", lr=2e-4, momentum=0.5, weight_decay=0.0)


class BelowDimension(JointEmbedding):
    """W-MSE that goes on where the covariance is singular: eigenvalues are held up, as some libraries do."""

    loss_name = "unit_distance"

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        parts = [self._whitened(part) for part in z.split(z.shape[2] // 2, dim=1)]
        return unit_distance(torch.cat(parts, dim=1), positives=self.positives)

    @staticmethod
    def _whitened(z: Float[Tensor, "views batch out"]) -> Float[Tensor, "views batch out"]:
        centred = z - z.mean(dim=1, keepdim=True)
        values, vectors = torch.linalg.eigh(centred.mT @ centred / max(1, z.shape[1] - 1))
        held = values.clamp_min(1e-4).rsqrt()
        return centred @ vectors @ torch.diag_embed(held) @ vectors.mT


def _of(name: str, method: str, truth: Truth, settings: MethodSettings, **changes: object) -> Case:
    return case(
        name,
        method,
        truth,
        settings=settings,
        make=changes.pop("make", lambda encoder: build_method(settings, encoder)),
        **changes,
    )


def newer() -> list[Case]:
    """Six methods and six broken settings of them."""
    below = JointSettings(projector=W_MSE.projector)
    wins = replace(BIGAN, discriminator_rate=50.0, discriminator_steps=5, spectral_norm=False)
    return [
        _of("swav", "swav", "none", SWAV),
        _of("swav without Sinkhorn", "swav", "collapse", replace(SWAV, iterations=0)),
        _of("dino", "dino", "none", DINO),
        _of("dino without centring", "dino", "collapse", replace(DINO, centre_decay=1.0)),
        _of("w-mse", "w_mse", "none", W_MSE),
        _of(
            "w-mse below the dimension",
            "w_mse",
            "harmful",
            W_MSE,
            make=lambda encoder: BelowDimension(encoder, below),
        ),
        _of("mae", "mae", "none", MAE, network=VIT),
        _of("mae, hardly anything hidden", "mae", "harmful", replace(MAE, mask_ratio=0.03), network=VIT),
        _of("bigan", "bigan", "none", BIGAN, optim=ADAM),
        _of("bigan, discriminator wins", "bigan", "harmful", wins, optim=ADAM),
        _of("nnclr", "nnclr", "none", NNCLR),
        _of("nnclr, queue of one", "nnclr", "harmful", replace(NNCLR, queue_size=1)),
    ]
