"""Runs that are broken on purpose, and healthy ones: what the verdict without labels is tried on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.occlusion import GaussianNoise
from contrascope.augment.policy import Policy
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.warp import Affine
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import ProjectorSettings
from contrascope.losses.cosine import byol, negative_cosine
from contrascope.losses.spectral import linear_contrastive
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.methods.embedding import over_views
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings
from contrascope.methods.joint.simclr import SimCLR
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.joint.vicreg_settings import VICRegSettings
from contrascope.methods.momentum.byol import BYOL
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.predict.simsiam import SimSiam
from contrascope.methods.predict.simsiam_settings import SimSiamSettings
from contrascope.methods.settings import MethodSettings
from contrascope.training.settings import OptimSettings

Make = Callable[[nn.Module], Method]
CONTRASTIVE = ProjectorSettings(hidden=(256,), out=64)
WIDE = ProjectorSettings(hidden=(256,), out=256, batch_norm=True)
WIDE_BN = replace(WIDE, batch_norm_out=True)
PREDICTOR = ProjectorSettings(hidden=(64,), out=256, batch_norm=True)

METHODS: dict[str, MethodSettings] = {
    "simclr": SimCLRSettings(temperature=0.5, projector=CONTRASTIVE),
    "moco": MoCoSettings(temperature=0.2, splits=0, queue_size=1024, projector=CONTRASTIVE),
    "barlow-twins": BarlowTwinsSettings(projector=WIDE),
    "simsiam": SimSiamSettings(projector=WIDE_BN, predictor=PREDICTOR),
    "byol": BYOLSettings(projector=WIDE, predictor=PREDICTOR, ema_decay=0.99),
    "vicreg": VICRegSettings(projector=WIDE),
}
DATA = {
    "digits": DataSettings(source="digits"),
    "shapes": DataSettings(source="shapes", count=2000, background=0.0),
}
ADAMW = OptimSettings(name="adamw", lr=2e-3, weight_decay=1e-4)
SGD = OptimSettings(name="sgd", lr=0.1, weight_decay=5e-4)
"""With small batches for SimSiam and BYOL, which AdamW leaves below a random encoder on digits."""
EPOCHS = {"digits": 60, "shapes": 30}


def _of_digits(channels: int, side: int) -> tuple[Policy, ...]:
    return build_policy(PolicySettings(name="digits"), channels=channels, size=side)


def _of_shapes(channels: int, side: int) -> tuple[Policy, ...]:
    """Everything but the shape is changed: place, size, tilt and colours."""
    del channels, side
    ops = (
        RandomResizedCrop(scale=(0.5, 1.0)),
        Affine(degrees=180.0, translate=0.1),
        ColorJitter.of_strength(1.0, p=0.8),
        Grayscale(p=0.2),
        HorizontalFlip(),
    )
    return (Policy(ops=ops, name="shapes"),)


def _simclr(channels: int, side: int) -> tuple[Policy, ...]:
    return build_policy(PolicySettings(name="simclr-cifar"), channels=channels, size=side)


POLICIES = {"digits": _of_digits, "shapes": _of_shapes}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One configuration and what a judge should say of it."""

    name: str
    broken: bool
    data: DataSettings
    epochs: int
    policies: Callable[[int, int], tuple[Policy, ...]]
    """From channels and side to policies."""
    settings: MethodSettings
    """What the judge is told of the method."""
    make: Make
    optim: OptimSettings = ADAMW
    batch: int = 256
    labels: Literal["true", "shuffled"] = "true"


def cases() -> list[Case]:
    """At least 14 broken and 14 healthy ones."""
    healthy = [case(f"{method} {data}", method, data, broken=False) for data in DATA for method in METHODS]
    control = replace(case("control: labels shuffled", "simclr", "digits", broken=False), labels="shuffled")
    return [*healthy, control, *_broken_methods(), *_broken_settings(), *_broken_data()]


def case(
    name: str,
    method: str,
    data: str,
    *,
    broken: bool,
    make: Make | None = None,
    settings: MethodSettings | None = None,
) -> Case:
    settings = settings or METHODS[method]
    return Case(
        name=name,
        broken=broken,
        data=DATA[data],
        epochs=EPOCHS[data],
        policies=POLICIES[data],
        settings=settings,
        make=make or (lambda encoder: build_method(settings, encoder)),
        optim=SGD if method in ("simsiam", "byol") else ADAMW,
        batch=64 if method in ("simsiam", "byol") else 256,
    )


def _broken_methods() -> list[Case]:
    simsiam, no_predictor = METHODS["simsiam"], METHODS["byol"]
    assert isinstance(simsiam, SimSiamSettings)
    assert isinstance(no_predictor, BYOLSettings)
    linear = METHODS["simclr"]
    assert isinstance(linear, SimCLRSettings)
    return [
        case(
            f"SimSiam without stop-gradient, {data}",
            "simsiam",
            data,
            broken=True,
            make=lambda encoder, own=simsiam: NoStopGradient(encoder, own),
        )
        for data in ("digits", "shapes")
    ] + [
        case(
            "BYOL without predictor or momentum",
            "byol",
            "digits",
            broken=True,
            make=lambda encoder: NoPredictor(encoder, replace(no_predictor, ema_decay=0.0)),
        ),
        case(
            "linear contrastive loss",
            "simclr",
            "digits",
            broken=True,
            make=lambda encoder: LinearLoss(encoder, linear),
        ),
    ]


def _broken_settings() -> list[Case]:
    def vicreg(name: str, *, variance: float, covariance: float) -> Case:
        settings = VICRegSettings(projector=WIDE, variance=variance, covariance=covariance)
        return case(name, "vicreg", "digits", broken=True, settings=settings)

    def simclr(name: str, settings: SimCLRSettings) -> Case:
        return case(name, "simclr", "digits", broken=True, settings=settings)

    projector = replace(CONTRASTIVE, out=1)
    barlow = BarlowTwinsSettings(projector=WIDE, redundancy=0.0)
    healthy = case("", "simclr", "digits", broken=True)
    return [
        vicreg("VICReg, variance weight 0", variance=0.0, covariance=1.0),
        vicreg("VICReg, covariance weight 0", variance=25.0, covariance=0.0),
        vicreg("VICReg, variance and covariance weights 100", variance=100.0, covariance=100.0),
        case("Barlow Twins, lambda 0", "barlow-twins", "digits", broken=True, settings=barlow),
        simclr("NT-Xent, temperature 100", SimCLRSettings(temperature=100.0, projector=CONTRASTIVE)),
        simclr("NT-Xent, temperature 0.001", SimCLRSettings(temperature=0.001, projector=CONTRASTIVE)),
        simclr("projector of width 1", SimCLRSettings(temperature=0.5, projector=projector)),
        replace(healthy, name="learning rate 100x", optim=replace(ADAMW, lr=0.2)),
        replace(healthy, name="learning rate 0", optim=replace(ADAMW, lr=1e-12)),
    ]


def _broken_data() -> list[Case]:
    def noise(channels: int, side: int) -> tuple[Policy, ...]:
        del channels, side
        return (Policy(ops=(RandomResizedCrop(scale=(0.02, 0.05)), GaussianNoise(sigma=5.0, p=1.0))),)

    def identity(channels: int, side: int) -> tuple[Policy, ...]:
        del channels, side
        return (Policy(ops=(RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0)),), name="identity"),)

    busy = DataSettings(source="scenes", count=2000, background=1.0)
    return [
        replace(case("identity augmentation", "simclr", "digits", broken=True), policies=identity),
        replace(case("augmentation destroys the image", "simclr", "digits", broken=True), policies=noise),
        *(
            replace(
                case(f"{method}, busy backgrounds", method, "shapes", broken=True),
                data=busy,
                policies=_simclr,
            )
            for method in ("simclr", "byol")
        ),
    ]


class NoStopGradient(SimSiam):
    """The gradient flows through both sides."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        p = over_views(self.predictor, z, joint=self.joint_pass)
        return negative_cosine(p, z, positives=self.positives)


class NoPredictor(BYOL):
    """z itself is drawn to the target, which is the network of the step before."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return byol(z, target, positives=self.positives)


class LinearLoss(SimCLR):
    """Alignment and the squared norm of the mean alone."""

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return linear_contrastive(z, centring=1.0, positives=self.positives)
