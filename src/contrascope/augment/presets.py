"""Published policies by name, each with its source, and the settings that choose one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale, Invert, Solarize
from contrascope.augment.occlusion import Cutout, GaussianNoise
from contrascope.augment.op import AbstractOp, check_colour
from contrascope.augment.policy import LETTERS, Policy, policy
from contrascope.augment.settings import AnyOp, ListedPolicy, PolicySettings
from contrascope.augment.warp import Affine, Elastic
from contrascope.errors import InputError, did_you_mean
from contrascope.settings import kind_of

Policies = tuple[Policy, ...]
"""View v uses policies[v % len]: one policy for all views, or two for an asymmetric pair."""

OPERATIONS: dict[str, type[AbstractOp]] = {
    kind_of(kind): kind
    for kind in (
        RandomResizedCrop,
        HorizontalFlip,
        ColorJitter,
        Grayscale,
        GaussianBlur,
        Affine,
        Elastic,
        Cutout,
        GaussianNoise,
        Solarize,
        Invert,
    )
}
"""The operations that a policy file may hold, by name."""


def find_operation(kind: str) -> type[AbstractOp]:
    """The operation of this name, or an error with the nearest one.

    >>> find_operation("Invert").__name__
    'Invert'
    """
    if kind not in OPERATIONS:
        hint = did_you_mean(kind, OPERATIONS)
        raise InputError(f"expected the name of an operation. {hint}")
    return OPERATIONS[kind]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published policy: what makes it, and where its values stand."""

    make: Callable[[int | None, float], Policies]
    """From output side and colour strength to policies."""
    strength: float | None
    """Default of the colour strength; None: the preset has no such number."""
    source: str
    """Publication, and what was read differently."""


def _simclr(size: int | None, strength: float) -> Policies:
    jitter = ColorJitter.of_strength(strength, p=0.8)
    crop, blur = RandomResizedCrop(size=size), GaussianBlur(p=0.5)
    return (Policy(ops=(crop, HorizontalFlip(), jitter, Grayscale(), blur), name="simclr"),)


def _simclr_cifar(size: int | None, strength: float) -> Policies:
    jitter = ColorJitter.of_strength(strength, p=0.8)
    crop = RandomResizedCrop(size=size)
    return (Policy(ops=(crop, HorizontalFlip(), jitter, Grayscale()), name="simclr-cifar"),)


def _crops(name: str, smallest: float, largest: float) -> Callable[[int | None, float], Policies]:
    """`simclr-cifar` with crops between two shares of the area."""

    def make(size: int | None, strength: float) -> Policies:
        crop = RandomResizedCrop(size=size, scale=(smallest, largest))
        jitter = ColorJitter.of_strength(strength, p=0.8)
        return (Policy(ops=(crop, HorizontalFlip(), jitter, Grayscale()), name=name),)

    return make


def _crop_flip(size: int | None, strength: float) -> Policies:
    return (Policy(ops=(RandomResizedCrop(size=size, scale=(0.2, 1.0)), HorizontalFlip()), name="crop-flip"),)


def _moco_v2(size: int | None, strength: float) -> Policies:
    crop = RandomResizedCrop(size=size, scale=(0.2, 1.0))
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8)
    ops = (crop, jitter, Grayscale(), GaussianBlur(p=0.5), HorizontalFlip())
    return (Policy(ops=ops, name="moco-v2"),)


def _asymmetric(name: str) -> Callable[[int | None, float], Policies]:
    def branch(size: int | None, blur: float, solarize: float, suffix: str) -> Policy:
        ops: tuple[AbstractOp, ...] = (
            RandomResizedCrop(size=size),
            HorizontalFlip(),
            ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, p=0.8),
            Grayscale(),
            GaussianBlur(p=blur),
        )
        ops += (Solarize(p=solarize),) if solarize else ()
        return Policy(ops=ops, name=f"{name} {suffix}")

    return lambda size, strength: (branch(size, 1.0, 0.0, "first"), branch(size, 0.1, 0.2, "second"))


def _huang(size: int | None, strength: float) -> Policies:
    return (Policy(ops=policy("aedcb", strength=strength, size=size).ops, name="huang-2023"),)


def _huang_strength(size: int | None, strength: float) -> Policies:
    ops = (RandomResizedCrop(size=size), ColorJitter.of_strength(strength))
    return (Policy(ops=ops, name="huang-2023-strength"),)


def _cosentino(name: str, smallest: float, flip: bool) -> Callable[[int | None, float], Policies]:
    def make(size: int | None, strength: float) -> Policies:
        flips = (HorizontalFlip(),) if flip else ()
        colour = (ColorJitter.of_strength(strength, p=0.8), Grayscale())
        crop = RandomResizedCrop(size=size, scale=(smallest, 1.0))
        return (Policy(ops=(crop, *flips, *colour), name=f"cosentino-{name}"),)

    return make


def _digits(size: int | None, strength: float) -> Policies:
    crop = RandomResizedCrop(size=size, scale=(0.6, 1.0))
    affine = Affine(degrees=15.0, translate=0.1, scale=(0.85, 1.1), shear=15.0, p=0.9)
    elastic = Elastic(alpha=4.0, sigma=1.0, p=0.5)
    return (Policy(ops=(crop, affine, elastic), name="digits"),)


_COSENTINO = "Cosentino et al. 2022, SimCLR policies of their common setting; order of operations ours."
_MULTI_CROP = (
    "multi-crop (Caron et al. 2020, arXiv:2006.09882, section 3.2) at 32 px, as stable-pretraining's recipes have "
    "them; colours as in simclr-cifar."
)
_HUANG = "Huang et al., ICLR 2023, arXiv:2111.00743"

PRESETS = {
    "simclr": Preset(
        make=_simclr,
        strength=1.0,
        source="Chen et al. 2020, arXiv:2002.05709, app. A (ImageNet); kernel a tenth of the side, made odd.",
    ),
    "simclr-cifar": Preset(
        make=_simclr_cifar,
        strength=0.5,
        source="Chen et al. 2020, arXiv:2002.05709, app. B.9 (CIFAR-10): strength 0.5, no blur.",
    ),
    "crops-global": Preset(
        make=_crops("crops-global", 0.2, 1.0),
        strength=0.5,
        source=f"Large crops of {_MULTI_CROP}",
    ),
    "crop-flip": Preset(
        make=_crop_flip,
        strength=None,
        source="He et al. 2022, arXiv:2111.06377, app. A.1 (MAE): crops of 0.2 of the area or more, flip, no colour.",
    ),
    "crops-local": Preset(
        make=_crops("crops-local", 0.05, 0.2),
        strength=0.5,
        source=f"Small crops of {_MULTI_CROP}",
    ),
    "moco-v2": Preset(
        make=_moco_v2,
        strength=None,
        source="Chen et al. 2020, arXiv:2003.04297; code main_moco.py; its PIL blur"
        " has no cut-off, ours a kernel of a tenth of the side.",
    ),
    "byol": Preset(
        make=_asymmetric("byol"),
        strength=None,
        source="Grill et al. 2020, arXiv:2006.07733, table 6: T and T' differ in blur (1, 0.1) "
        "and solarise (0, 0.2).",
    ),
    "barlow-twins": Preset(
        make=_asymmetric("barlow-twins"),
        strength=None,
        source="Zbontar et al. 2021, arXiv:2103.03230: the pair of BYOL.",
    ),
    "huang-2023": Preset(
        make=_huang,
        strength=0.5,
        source=f"{_HUANG}, table 1 'abcde', from the code: order aedcb; its 'random' blur is a fixed PIL "
        "blur of radius 1 on 32 px with probability 0.5, here a Gaussian of sigma 1.",
    ),
    "huang-2023-strength": Preset(
        make=_huang_strength,
        strength=1.0,
        source=f"{_HUANG}, table 2: crop and colour distortion with probability 1, strength 1, 1/2, 1/4, "
        "1/8. Its strength 1 is twice that of table 1.",
    ),
    "cosentino-large": Preset(make=_cosentino("large", 0.08, True), strength=0.5, source=_COSENTINO),
    "cosentino-moderate": Preset(make=_cosentino("moderate", 0.5, True), strength=0.25, source=_COSENTINO),
    "cosentino-small": Preset(make=_cosentino("small", 0.9, False), strength=0.05, source=_COSENTINO),
    "digits": Preset(
        make=_digits,
        strength=None,
        source="Ours, for the 8x8 gray scans of scikit-learn: affine and elastic "
        "(Simard et al. 2003), no flip.",
    ),
}
"""Every policy that has a name."""


def preset(name: str, *, size: int | None = None, strength: float | None = None) -> Policies:
    """The policies of a preset: one, or two where it treats the views of a pair differently.

    `size` is the side of the views, None the images' own; `strength` that of colour distortion, None the
    preset's.

    >>> [one.name for one in preset("byol", size=32)]
    ['byol first', 'byol second']
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}. {did_you_mean(name, PRESETS)}")
    chosen = PRESETS[name]
    if chosen.strength is None and strength is not None:
        raise InputError(f"preset {name!r} has fixed colour values; got strength={strength}. Leave it out.")
    return chosen.make(size, (chosen.strength or 0.0) if strength is None else strength)


def build_policy(settings: PolicySettings, *, channels: int, size: int | None = None) -> Policies:
    """The policies that the settings name, checked against the images' channels.

    `size` is used where the settings leave the side open; None leaves it to the images.

    >>> build_policy(PolicySettings(name="ade"), channels=3)[0].name
    'ade'
    """
    policies = policies_of(settings, size=size)
    if any(isinstance(op, ColorJitter | Grayscale) for one in policies for op in one.ops):
        check_colour(channels, f"policy {settings.name!r}")
    return policies


def policies_of(settings: PolicySettings, *, size: int | None = None) -> Policies:
    """The policies that the settings name, for images of any channels.

    >>> len(policies_of(PolicySettings(name="byol")))
    2
    """
    side = settings.size if settings.size is not None else size
    if settings.ops or settings.policies:
        return _listed(settings, side)
    if settings.name in PRESETS:
        return preset(settings.name, size=side, strength=settings.strength)
    if set(settings.name) <= set(LETTERS):
        return (policy(settings.name, strength=settings.strength, size=side),)
    hint = did_you_mean(settings.name, PRESETS)
    if settings.name.endswith(".json"):
        hint = f"A policy file is given as: --policy {settings.name}"
    raise InputError(
        f"unknown policy {settings.name!r}; expected letters of {''.join(LETTERS)} or a preset. {hint}"
    )


def _listed(settings: PolicySettings, side: int | None) -> Policies:
    """The listed operations; a crop without a size of its own puts out `side`."""
    if settings.strength is not None:
        raise InputError(
            f"policy {settings.name!r} lists its operations, with fixed colour values; got "
            f"strength={settings.strength}. Leave it out."
        )
    if settings.ops and settings.policies:
        raise InputError(f"policy {settings.name!r} has both `ops` and `policies`; expected one of them.")
    listed = settings.policies or (ListedPolicy(name=settings.name, ops=settings.ops),)
    return tuple(Policy(ops=_sized(one.ops, side), name=one.name) for one in listed)


def _sized(ops: tuple[AnyOp, ...], side: int | None) -> tuple[AbstractOp, ...]:
    acting = (op for op in ops if isinstance(op, AbstractOp))
    return tuple(
        replace(op, size=side) if isinstance(op, RandomResizedCrop) and op.size is None else op
        for op in acting
    )
