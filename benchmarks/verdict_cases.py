"""Trainings that are healthy, harmed or changed without harm: what the answers of a diagnosis are tried on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from verdict_sets import BenchSet, of_photographs

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.occlusion import GaussianNoise
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet, InMemoryImages
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
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

Truth = Literal["none", "untrained", "fault", "collapse", "harmful", "harmless"]
"""What was done: nothing, no training, something that a judge can decide, something that may harm, or may not."""
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
ADAMW = OptimSettings(name="adamw", lr=2e-3, weight_decay=1e-4)
SGD = OptimSettings(name="sgd", lr=0.1, weight_decay=5e-4)
"""With small batches for SimSiam and BYOL, which AdamW leaves below a random encoder on digits."""
CONVNET = EncoderSettings(name="convnet", width=16)
EARLY = 2
"""Epochs after which an unharmed training is kept too."""


def unchanged(images: ImageSet) -> ImageSet:
    return images


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training, or none."""

    name: str
    method: str
    truth: Truth
    settings: MethodSettings
    """What a judge may be told of the method."""
    make: Make
    optim: OptimSettings = ADAMW
    batch: int = 128
    epochs: tuple[int, ...] = (12,)
    """When it is kept; the last one is its length. 0: untrained."""
    policies: Callable[[int, int], tuple[Policy, ...]] | None = None
    """Unset: the set's own."""
    images: Callable[[ImageSet], ImageSet] = unchanged
    """What is done to the images that it learns from."""
    network: EncoderSettings = CONVNET


def case(name: str, method: str, truth: Truth, **changes: Any) -> Case:
    settings = changes.pop("settings") if "settings" in changes else METHODS[method]
    small = method in ("simsiam", "byol")
    plain = Case(
        name=name,
        method=method,
        truth=truth,
        settings=settings,
        make=lambda encoder: build_method(settings, encoder),
        optim=SGD if small else ADAMW,
        batch=64 if small else 128,
    )
    return replace(plain, **changes)


def cases_of(one: BenchSet, place: int, more: Sequence[Case] = ()) -> Iterator[Case]:
    """Every method unharmed; of the changes, `more` at their end, every third: each is tried on three sets of ten."""
    yield case("untrained", "simclr", "untrained", epochs=(0,))
    for method in METHODS:
        yield case(method, method, "none", epochs=(EARLY, one.epochs))
    changes = [*_collapses(), *_settings(), *_data(colour=not one.gray), *more]
    for at, change in enumerate(changes):
        if at % 3 == place % 3:
            yield replace(change, epochs=(4 * one.epochs // 5,))


def _collapses() -> list[Case]:
    simsiam, no_predictor, linear = METHODS["simsiam"], METHODS["byol"], METHODS["simclr"]
    assert isinstance(simsiam, SimSiamSettings)
    assert isinstance(no_predictor, BYOLSettings)
    assert isinstance(linear, SimCLRSettings)

    def vicreg(name: str, **weights: Any) -> Case:
        return case(name, "vicreg", "collapse", settings=VICRegSettings(projector=WIDE, **weights))

    def simclr(name: str, **changed: Any) -> Case:
        return case(name, "simclr", "collapse", settings=replace(linear, **changed))

    barlow = BarlowTwinsSettings(projector=WIDE, redundancy=0.0)
    return [
        case(
            "no stop-gradient",
            "simsiam",
            "collapse",
            make=lambda encoder: NoStopGradient(encoder, simsiam),
        ),
        case(
            "no predictor",
            "byol",
            "collapse",
            make=lambda encoder: NoPredictor(encoder, replace(no_predictor, ema_decay=0.0)),
        ),
        case("linear loss", "simclr", "collapse", make=lambda encoder: LinearLoss(encoder, linear)),
        vicreg("variance weight 0", variance=0.0, covariance=1.0),
        vicreg("covariance weight 0", covariance=0.0),
        case("redundancy weight 0", "barlow-twins", "collapse", settings=barlow),
        simclr("temperature 100", temperature=100.0),
        simclr("projector of width 1", projector=replace(CONTRASTIVE, out=1)),
        case("learning rate 100x", "simclr", "collapse", optim=replace(ADAMW, lr=0.2)),
    ]


def _settings() -> list[Case]:
    plain = METHODS["simclr"]
    assert isinstance(plain, SimCLRSettings)
    return [
        case("learning rate 0", "simclr", "fault", optim=replace(ADAMW, lr=1e-12)),
        case("encoder frozen", "simclr", "fault", make=lambda encoder: build_method(plain, _frozen(encoder))),
        case("temperature 0.001", "simclr", "harmful", settings=replace(plain, temperature=0.001)),
        case("weight decay 3", "simclr", "harmful", optim=replace(ADAMW, weight_decay=3.0)),
        case(
            "invariance weight 0",
            "vicreg",
            "harmful",
            settings=VICRegSettings(projector=WIDE, invariance=0.0),
        ),
        case(
            "weights 100",
            "vicreg",
            "harmful",
            settings=VICRegSettings(projector=WIDE, variance=100, covariance=100),
        ),
        case("learning rate 1/1000", "moco", "harmful", optim=replace(ADAMW, lr=2e-6)),
        case("batch 512", "simclr", "harmless", batch=512, optim=replace(ADAMW, lr=4e-3)),
        case("temperature 0.2", "simclr", "harmless", settings=replace(plain, temperature=0.2)),
        case("no weight decay", "vicreg", "harmless", optim=replace(ADAMW, weight_decay=0.0)),
    ]


def _data(*, colour: bool) -> list[Case]:
    found = [
        case("policy changes nothing", "simclr", "harmful", policies=_identity),
        case("policy destroys the image", "simclr", "harmful", policies=_destroying),
        case("learnt from noise", "simclr", "harmful", images=_noise),
        case("learnt from 40 images", "vicreg", "harmful", images=lambda images: repeated(images, 40)),
        case("watermark", "simclr", "harmful", images=_watermarked),
        case(
            "flips only",
            "moco",
            "harmful",
            policies=lambda c, s: (Policy(ops=(HorizontalFlip(),), name="flips"),),
        ),
        case(
            "half the images",
            "barlow-twins",
            "harmless",
            images=lambda images: images.select(torch.arange(len(images) // 2)),
        ),
    ]
    if colour:
        found += [
            case("no colour in the policy", "simclr", "harmful", policies=_crops),
            case("no colour in the policy, MoCo", "moco", "harmful", policies=_crops),
            case("learnt from gray images", "vicreg", "harmless", images=_grayed, policies=of_photographs),
        ]
    return found


def _identity(channels: int, side: int) -> tuple[Policy, ...]:
    del channels, side
    return (Policy(ops=(RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0)),), name="identity"),)


def _crops(channels: int, side: int) -> tuple[Policy, ...]:
    del channels, side
    return (Policy(ops=(RandomResizedCrop(), HorizontalFlip()), name="crops"),)


def _destroying(channels: int, side: int) -> tuple[Policy, ...]:
    del channels, side
    return (
        Policy(ops=(RandomResizedCrop(scale=(0.02, 0.05)), GaussianNoise(sigma=5.0, p=1.0)), name="noise"),
    )


def _pixels(images: ImageSet) -> Tensor:
    return torch.cat([part for _, part in images.batches(torch.arange(len(images)), 512)])


def _noise(images: ImageSet) -> ImageSet:
    drawn = torch.randint(0, 256, _pixels(images).shape, generator=torch.Generator().manual_seed(5))
    return InMemoryImages(images=drawn.to(torch.uint8), labels=images.y, name=f"{images.name}, noise")


def repeated(images: ImageSet, count: int) -> ImageSet:
    chosen = torch.arange(len(images)) % count
    y = None if images.y is None else images.y[chosen]
    return InMemoryImages(images=_pixels(images)[chosen], labels=y, name=f"{images.name}, {count} images")


def _watermarked(images: ImageSet) -> ImageSet:
    """Every image carries bars of its own, wherever a crop may fall."""
    pixels = _pixels(images).clone()
    side = pixels.shape[3]
    bars = torch.randint(0, 2, (len(pixels), 1, 1, side // 2), generator=torch.Generator().manual_seed(7))
    pixels[:, :, ::2] = (255 * bars.repeat_interleave(2, dim=3)).to(torch.uint8)[..., :side]
    return InMemoryImages(images=pixels, labels=images.y, name=f"{images.name}, marked")


def _grayed(images: ImageSet) -> ImageSet:
    gray = _pixels(images).float().mean(dim=1, keepdim=True).round().to(torch.uint8)
    return InMemoryImages(
        images=gray.expand(-1, images.shape[0], -1, -1).contiguous(), labels=images.y, name=images.name
    )


def _frozen(encoder: nn.Module) -> nn.Module:
    """No weight of it moves; its batch norm still counts."""
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    return encoder


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
