"""No bound that can be printed is called informative on noise: labels are coin flips, so nothing is to be known."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from contrascope.diagnosis.factors import factors
from contrascope.theory.bounds.bound import Bound
from contrascope.theory.bounds.divergence_bounds import (
    LARGEST_EPSILON,
    centre_cap,
    correlation_bound,
    divergence_bound,
    within_class_bound,
)
from contrascope.theory.bounds.error_bounds import best_error_bound, risk_gap_bound
from contrascope.theory.bounds.eta import finite_family_bound, r_eps_bound
from contrascope.theory.bounds.main_parts import class_parts
from contrascope.theory.factors.alignment import alignment, augmentation_robust, unit_views, worst_pair
from contrascope.theory.factors.decompose import cross_correlation, info_nce_split
from contrascope.theory.factors.divergence import class_centres
from contrascope.theory.factors.pseudo import pseudo_classes

SETS = 200
MOST = SETS // 20
"""One set in twenty."""

WORLDS: dict[str, tuple[int, int, tuple[float, ...], int, float, float]] = {
    "few images, many directions": (16, 256, (0.5, 0.5), 2, 1.0, 0.0),
    "two images a class": (20, 128, (0.1,) * 10, 2, 0.05, 0.0),
    "equal views": (24, 64, (0.5, 0.5), 2, 0.0, 0.0),
    "two dimensions": (200, 2, (0.5, 0.5), 2, 0.02, 0.0),
    "one in ten": (120, 16, (0.9, 0.1), 3, 0.1, 0.0),
    "one in forty": (160, 4, (0.975, 0.025), 2, 0.3, 2.0),
    "five classes, all views apart": (150, 32, (0.4, 0.3, 0.1, 0.1, 0.1), 4, math.inf, 0.0),
    "a large common part": (80, 8, (0.6, 0.4), 2, 0.2, 10.0),
    "islands that are no classes": (120, 8, (0.34, 0.33, 0.33), 2, 0.1, -4.0),
}
"""Images, dimensions, class probabilities, views, noise of a view against its image, common part (below 0: islands)."""


def noise(world: str, seed: int) -> tuple[Tensor, Tensor]:
    """Unit views whose images know nothing of the labels; every class has an image."""
    n, dim, shares, views, loose, common = WORLDS[world]
    source = torch.Generator().manual_seed(seed)
    image = torch.randn(n, dim, generator=source, dtype=torch.float64)
    if common < 0:
        place = torch.randint(4, (n,), generator=source)
        image = image - common * torch.randn(4, dim, generator=source, dtype=torch.float64)[place]
    else:
        image = image + common
    jitter = torch.randn(views, n, dim, generator=source, dtype=torch.float64)
    h = jitter if loose == math.inf else image + loose * jitter
    y = torch.multinomial(torch.tensor(shares), n, replacement=True, generator=source)
    y[torch.randperm(n, generator=source)[: len(shares)]] = torch.arange(len(shares))
    return unit_views(h), y


def of_a_diagnosis(h: Tensor, y: Tensor) -> Iterator[Bound]:
    yield from factors(h, y, labels="coin", draws=0).bounds


def of_pseudo_classes(h: Tensor, y: Tensor) -> Iterator[Bound]:
    found = pseudo_classes(h.mean(dim=0), k=len(y.unique()))
    if found.k > 1:
        yield from factors(h, found.labels, labels=found.rule, pseudo=True, draws=0).bounds


def of_numbers(h: Tensor, y: Tensor) -> Iterator[Bound]:
    """Every other bound, from numbers measured as its documentation asks."""
    centres, classes = class_centres(h, y)
    counts = y.bincount()
    priors, squares = counts.double() / len(y), centres.square().sum(dim=1)
    worst = worst_pair(h)
    l_2 = info_nce_split(h, negatives="independent", every_view=True).l_2.value
    within = torch.stack([(2 - 2 * _pairs(h[:, y == k])).mean() for k in classes])
    products = (centres @ centres.T).fill_diagonal_(-math.inf)
    pair = divmod(int(products.argmax()), len(classes))
    yield centre_cap(l_2, priors, within, squares, pair, counts=counts)
    for epsilon in (0.0, 0.5, LARGEST_EPSILON):
        yield divergence_bound(
            l_2,
            priors[pair[0]].item(),
            priors[pair[1]].item(),
            epsilon=epsilon,
            r_epsilon=(worst > epsilon).double().mean().item(),
        )
    parts = class_parts(h, [(y == k).nonzero().flatten() for k in classes], 4)
    for level in range(len(parts[0].cliques)):
        sigma = min(part.cliques[level].double().mean().item() for part in parts)
        delta = max(part.diameters[level] for part in parts)
        yield best_error_bound(worst, centres, priors, sigma=sigma, delta=delta, lipschitz=1.0)
        for epsilon in worst.quantile(torch.tensor([0.5, 1.0], dtype=torch.float64)).tolist():
            yield within_class_bound(
                lipschitz=math.sqrt(h.shape[2]),
                delta=delta,
                epsilon=epsilon * math.sqrt(h.shape[2]),
                sigma=sigma,
                r_epsilon=(worst > epsilon).double().mean().item(),
                dim=h.shape[2],
                common=h.shape[2] * h.mean(dim=(0, 1)).square().sum().item(),
            )
    f = cross_correlation(h)
    standard = (centres - f.mean) / f.std * f.active
    lengths = math.prod(standard[k].norm().item() for k in pair)
    loss = (f.matrix - torch.eye(len(f.mean))).square().sum().item()
    tau = (f.matrix - (standard.T * priors) @ standard).square().sum().item()
    yield correlation_bound(
        loss, tau, *(priors[k].item() for k in pair), dim=len(f.mean), classes=len(classes), lengths=lengths
    )


def of_alignment(h: Tensor, y: Tensor) -> Iterator[Bound]:
    """What says nothing of classes: noise is views that have nothing to do with their image."""
    apart = torch.stack(
        [view[torch.randperm(len(y), generator=torch.Generator().manual_seed(k))] for k, view in enumerate(h)]
    )
    l_align, maps = alignment(apart).value, len(h)
    means = apart.mean(dim=1)
    given = {"images": len(y), "unrelated": min(2.0, 2 - 2 * (means[0] @ means[1]).item())}
    for epsilon in (0.5, 1.0, 1.414, 1.7, 1.99, 2.0, 3.0):
        yield finite_family_bound(l_align, epsilon, maps=maps, pairs="distinct", **given)
        yield finite_family_bound(l_align * (1 - 1 / maps), epsilon, maps=maps, **given)
        yield r_eps_bound(
            l_align, epsilon, parameters=1, lipschitz=1.0, discrete=maps, family_lipschitz=0.1, **given
        )
    heads = [torch.linalg.lstsq(view, 2 * (y == 0).double() - 1).solution.norm().item() for view in apart[:2]]
    yield risk_gap_bound(
        augmentation_robust(apart).value, loss_lipschitz=1.0, norm_one=heads[0], norm_two=heads[1], **given
    )


def _pairs(rows: Tensor) -> Tensor:
    """Products of different views of each image."""
    return torch.stack([(rows[a] * rows[b]).sum(dim=1) for a in range(len(rows)) for b in range(a)]).mean(
        dim=0
    )


def earned(bounds: Callable[[Tensor, Tensor], Iterator[Bound]], world: str, sets: int) -> Counter[str]:
    """How many sets earn the word, for every bound by its name and source."""
    count: Counter[str] = Counter()
    for seed in range(sets):
        count.update(
            {f"{bound.name}: {bound.source}" for bound in bounds(*noise(world, seed)) if not bound.vacuous}
        )
    return count


KINDS = (of_a_diagnosis, of_numbers, of_alignment)


@pytest.mark.parametrize("world", WORLDS)
def test_few_of_some_sets_of_noise_earn_the_word(world):
    """A tenth of the sets below: two of ten would be ten times as many as chance gives the random classes."""
    for bounds in KINDS:
        assert max(earned(bounds, world, 2).values(), default=0) < 2


@pytest.mark.slow
@pytest.mark.parametrize("bounds", KINDS, ids=lambda bounds: bounds.__name__)
@pytest.mark.parametrize("world", WORLDS)
def test_at_most_one_set_of_noise_in_twenty_earns_the_word(world, bounds):
    assert max(earned(bounds, world, SETS).values(), default=0) <= MOST


def test_clusters_of_noise_never_make_a_bound_informative():
    for world in ("two dimensions", "islands that are no classes"):
        assert not earned(of_pseudo_classes, world, 2)


def test_labels_that_mean_something_earn_the_word():
    """The same bounds on five tight classes at the corners of a simplex: the word is not withheld from everything."""
    y = torch.arange(300) % 5
    corners = torch.linalg.svd(torch.eye(5, dtype=torch.float64) - 0.2).U[:, :4]
    source = torch.Generator().manual_seed(0)
    h = corners[y] + 0.02 * torch.randn(2, 300, 4, dtype=torch.float64, generator=source)
    assert {bound.word for bound in of_a_diagnosis(unit_views(h), y)} == {"informative"}
