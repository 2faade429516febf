"""What the verdict reads: numbers of a representation that need no labels, and those of its reference."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.diagnosis.checks.expected_input import InputFit
from contrascope.diagnosis.checks.weights import InitialWeights
from contrascope.diagnosis.learning_signals import LearningSignals
from contrascope.diagnosis.shortcut import Shortcut, shortcut
from contrascope.intervals import Estimate, generator
from contrascope.linalg import class_means, constant_columns, non_finite, unit_rows
from contrascope.theory.factors.alignment import alignment, augmentation_robust, unit_views
from contrascope.theory.factors.confusion import average_confusion_ratio
from contrascope.theory.factors.divergence import mean_view
from contrascope.theory.factors.lidar import lidar
from contrascope.theory.factors.pseudo import pseudo_classes
from contrascope.theory.factors.retrieval import instance_retrieval
from contrascope.theory.factors.spectrum import spectrum
from contrascope.theory.factors.stable_rank import stable_rank
from contrascope.theory.factors.uniformity import feature_std, uniformity, wasserstein_uniformity

FEW = 8
"""Number of clusters by which `modes` is measured."""
LEAST_EXPLAINED = 8
"""Images below which a regression on their statistics says nothing."""
EQUAL = 1e-6
"""Distance of two equal rows over the root mean square length of a row."""
MOST_ROWS = 10_000
"""Images of which pairs and views are measured; of a larger set that many, drawn at random."""


@dataclass(frozen=True, kw_only=True)
class ViewSignals:
    """What needs several views of each image; of unit rows."""

    alignment: Estimate
    """L_align: mean squared distance of two views of an image, in [0, 4]."""
    augmentation_robust: Estimate
    """L_AR: mean over images of the largest squared distance among the views, in [0, 4]."""
    retrieval: Estimate
    """Share of images whose view finds another view of its image first among all; chance is 1 / n."""
    confusion: Estimate
    """Average confusion ratio, in [0, 1]: share of images whose view has another image's view nearest."""
    lidar: float
    """LiDAR: effective rank of the images' spread against their views' (raw rows), at least 1."""


@dataclass(frozen=True, kw_only=True)
class LayerSignals:
    """One layer, encoder `h` or projector `z`; of unit rows of the first view unless said otherwise."""

    images: int
    """Images measured."""
    dim: int
    """Width of the layer."""
    spread: float
    """Variance of unit rows, 1 - |mean|^2, in [0, 1]: 0 if all point one way, 1 if they are centred."""
    std: float
    """Mean over dimensions of the standard deviation times sqrt(dim); 1 for the uniform law."""
    dead: int
    """Dimensions that are exactly constant."""
    uniformity: Estimate
    """Log mean exp(-2 |x - y|^2) over pairs, in [-4, 0]; lower is more uniform."""
    wasserstein: float
    """Wasserstein-2 distance of mean and covariance to the uniform law's; it sees lost dimensions."""
    rankme: float
    """RankMe of the raw, uncentred rows."""
    rankme_centred: float
    """RankMe of unit rows without their mean: it sees lost directions that the widest ones outweigh elsewhere."""
    effective_rank: float
    """Exponential entropy of the covariance's eigenvalues (raw rows)."""
    participation_ratio: float
    """(Sum of eigenvalues)^2 / sum of squares: how many directions carry the variance (raw rows)."""
    stable_rank: float
    """Sum of eigenvalues over the largest (raw rows): how many directions as wide as the widest."""
    alpha: float | None
    """Exponent of the eigenvalues' power law (raw rows); None where too few are positive."""
    modes: float
    """Share of the unit rows' variance between 8 clusters, in [0, 1]; 1 if there are at most 8 points."""
    shortcut: Shortcut | None
    """What trivial statistics of the views explain; None where there are no images, or fewer than 8."""
    views: ViewSignals | None
    """What needs views; None where there is one view."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What is wrong with features, weights, input or images."""

    non_finite: int = 0
    """Values in the features that are NaN or infinite."""
    dead_units: float = 0.0
    """Share of the encoder's outputs that are constant over all views."""
    distinct: float = 1.0
    """Distinct rows of the first view, as a share of them; a row counts as equal within a millionth of its length."""
    batch_norm_gap: float | None = None
    """Mean squared distance of unit rows with stored and with batch statistics; None without batch norm."""
    stopped: str | None = None
    """Why training stopped early."""
    initial: InitialWeights | None = None
    """Weights that look as if no training had touched them; None for arrays."""
    input: InputFit | None = None
    """How well the input fits what batch norm remembers; None for arrays and without batch norm."""
    batch: float | None = None
    """How far a row depends on its batch, over the distance of rows; None for arrays."""
    copies: float = 0.0
    """Share of images that have a near copy among the others; 0 where no images are known."""


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Everything that the answers may look at."""

    h: LayerSignals | None
    """Encoder; None where its output is not finite."""
    z: LayerSignals | None
    """Projector, where there is one."""
    reference_h: LayerSignals | None
    """The reference's encoder on the same views."""
    reference_z: LayerSignals | None
    """The reference's projector."""
    reference: str
    """What the reference is."""
    equal_views: float
    """Share of images whose views are equal pixel for pixel; 0 where no images are known."""
    faults: Faults
    """What is wrong."""
    learning: LearningSignals | None = None
    """Encoder against its twin; None without one."""


def layer_signals(
    rows: Float[Tensor, "views n dim"],
    *,
    statistics: Float[Tensor, "n statistics"] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> LayerSignals:
    """All label-free numbers of one layer; `statistics` are those of the first view's images.

    >>> rows = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
    >>> layer_signals(rows, draws=0).dim
    8
    """
    first = rows[0]
    std = feature_std(first)
    whole = spectrum(first)
    chosen = sample_images(rows.shape[1], MOST_ROWS, seed=seed)
    some = rows if chosen is None else rows[:, chosen]
    known = statistics if chosen is None or statistics is None else statistics[chosen]
    return LayerSignals(
        images=rows.shape[1],
        dim=rows.shape[2],
        spread=unit_spread(first),
        std=std.mean,
        dead=std.dead,
        uniformity=uniformity(some[0], draws=draws, max_rows=MOST_ROWS),
        wasserstein=wasserstein_uniformity(first),
        rankme=whole.rankme,
        rankme_centred=_centred_rankme(first),
        effective_rank=whole.effective_rank,
        participation_ratio=whole.participation_ratio,
        stable_rank=stable_rank(whole.eigenvalues),
        alpha=None if math.isnan(whole.power_law.alpha) else whole.power_law.alpha,
        modes=mode_share(mean_view(unit_views(some)), seed=seed),
        shortcut=None
        if known is None or len(known) < LEAST_EXPLAINED
        else shortcut(some[0], known, draws=draws, seed=seed),
        views=_view_signals(some, draws=draws, seed=seed) if len(rows) > 1 else None,
    )


def finite_signals(
    rows: Float[Tensor, "views n dim"] | None,
    *,
    statistics: Float[Tensor, "n statistics"] | None = None,
    draws: int,
    seed: int,
) -> LayerSignals | None:
    """`layer_signals`, or None where there is no such layer or a value is not finite."""
    if rows is None or non_finite(rows.flatten(0, 1)):
        return None
    return layer_signals(rows, statistics=statistics, draws=draws, seed=seed)


def value_faults(h: Float[Tensor, "views n dim"], z: Float[Tensor, "views n out"] | None) -> Faults:
    """Values that are not finite in both layers, and constant outputs of the encoder.

    >>> value_faults(torch.tensor([[[1.0, float("nan")], [1.0, 2.0]]]), None).non_finite
    1
    """
    bad = sum(non_finite(rows.flatten(0, 1)) for rows in (h, z) if rows is not None)
    return Faults(
        non_finite=bad,
        dead_units=float(constant_columns(h.flatten(0, 1)).double().mean()),
        distinct=1.0 if bad else distinct_rows(_some(h[0])),
    )


def _some(rows: Tensor) -> Tensor:
    chosen = sample_images(len(rows), MOST_ROWS, seed=0)
    return rows if chosen is None else rows[chosen]


def distinct_rows(rows: Float[Tensor, "n dim"]) -> float:
    """Distinct rows as a share of all, in (0, 1]; rows closer than a millionth of their length are equal.

    >>> distinct_rows(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]))
    0.75
    """
    kept = rows.detach().double().cpu()
    scale = kept.square().sum(dim=1).mean().sqrt()
    if len(kept) == 0 or not scale > 0:
        return 1 / max(1, len(kept))
    steps = (kept / (EQUAL * scale)).round()
    return len(torch.unique(steps, dim=0)) / len(kept)


def sample_images(count: int, most: int, *, seed: int) -> Int[Tensor, " images"] | None:
    """Rising indices of `most` images drawn without replacement; None where all are taken.

    >>> sample_images(5, 5, seed=0) is None, len(sample_images(9, 4, seed=0))
    (True, 4)
    """
    if count <= most:
        return None
    return torch.randperm(count, generator=generator(seed, "images"))[:most].sort().values


def unit_spread(rows: Tensor, block_rows: int = 1 << 16) -> float:
    """Variance of unit rows, 1 - |mean|^2 (of non-zero ones), in [0, 1]."""
    total, squares = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device), 0.0
    for block in rows.split(block_rows):
        unit = unit_rows(block).double()
        total += unit.sum(dim=0)
        squares += float(unit.square().sum())
    return max(0.0, squares / len(rows) - float((total / len(rows)).square().sum()))


def _centred_rankme(rows: Tensor) -> float:
    """Of at most `MOST_ROWS` rows."""
    unit = unit_rows(_some(rows).detach().double())
    return spectrum(unit - unit.mean(dim=0)).rankme


def _view_signals(rows: Tensor, *, draws: int, seed: int) -> ViewSignals:
    unit = unit_views(rows)
    return ViewSignals(
        alignment=alignment(unit, draws=draws, seed=seed),
        augmentation_robust=augmentation_robust(unit, draws=draws, seed=seed),
        retrieval=instance_retrieval(rows, k=(1,), draws=draws).recall[1],
        confusion=average_confusion_ratio(rows, draws=draws),
        lidar=lidar(rows),
    )


def mode_share(rows: Float[Tensor, "n dim"], *, clusters: int = FEW, seed: int = 0) -> float:
    """Share of the variance of `rows` that lies between `clusters` k-means clusters, in [0, 1].

    1 where all rows are equal. k-means on unit rows may find a local optimum, so this is a bound from below.

    >>> mode_share(torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(10, 1), clusters=2)
    1.0
    """
    centred = rows.double() - rows.double().mean(dim=0)
    total = centred.square().sum()
    if total <= 1e-12 * len(rows):
        return 1.0
    found = pseudo_classes(rows, k=min(clusters, len(rows)), seed=seed)
    codes = found.labels
    within = (centred - class_means(centred, codes, found.k)[codes]).square().sum()
    return float(1 - within / total)
