"""Certificates hold on 1,000 random embeddings, are sharp where they can be, and refuse bad input."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.divergence import class_centres


def instance(seed):
    """Tight classes with scattered views, wrong labels, unequal sizes, close classes, or all at once."""
    source = torch.Generator().manual_seed(seed)
    u = torch.rand(6, generator=source).tolist()
    k, views, n, dim = 2 + seed % 3, 2 + seed % 2, 12 + int(16 * u[0]), 2 + seed % 4

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=source)

    centre = torch.nn.functional.normalize(normal(k, dim), dim=1)
    if seed % 2:
        centre = torch.eye(k, max(k, dim), dtype=torch.float64) - 0.3
    y = torch.cat([torch.arange(k), torch.randint(k, (n - k,), generator=source)])
    place = torch.where(torch.rand(n, generator=source) < 0.08 * u[1], y.flip(0), y)
    h = centre[place] + 0.4 * u[2] ** 3 * normal(n, centre.shape[1])
    h = h + 0.3 * u[3] ** 3 * normal(views, n, centre.shape[1])
    scattered = torch.rand(n, generator=source) < 0.08 * u[4]
    h[:, scattered] = normal(views, int(scattered.sum()), centre.shape[1])
    return h, y


def slow_error(h, y):
    f = unit_views(h)
    centres, classes = class_centres(f, y)
    wrong = 0
    for i in range(h.shape[1]):
        own = int((classes == y[i]).nonzero())
        bad = False
        for view in f[:, i]:
            gaps = (centres - view).norm(dim=1)
            bad = bad or any(gaps[own] >= gaps[k] for k in range(len(classes)) if k != own)
        wrong += bad
    return wrong / h.shape[1]


def all_three(bounds):
    return {"theorem": bounds.theorem, "direct": bounds.direct, "cap": bounds.cap}


@pytest.mark.parametrize(
    "seeds", [range(150), pytest.param(range(150, 1150), marks=pytest.mark.slow)], ids=["150", "1000 more"]
)
def test_every_certificate_that_holds_is_above_the_error_of_random_embeddings(seeds):
    informative = dict.fromkeys(("theorem", "direct", "cap"), 0)
    close = dict.fromkeys(informative, 0)
    positive = 0
    for seed in seeds:
        h, y = instance(seed)
        bounds = embedding_error_bounds(h, y, levels=8 if seed % 8 == 0 else 2)
        error = bounds.cap.terms["error"]
        positive += error > 0
        for name, bound in all_three(bounds).items():
            if bound.holds:
                assert error <= bound.value + 1e-12, (seed, name)
            informative[name] += bound.word == "informative"
            close[name] += bound.holds and bound.value - error <= 0.05
        assert bounds.cap.terms["error_of_views"] <= error
    assert positive > 0.3 * len(seeds)
    assert min(informative.values()) > 0.03 * len(seeds)
    assert min(close.values()) > 0.02 * len(seeds)


def test_the_error_beside_the_bounds_equals_slow_loops():
    for seed in (0, 5, 11):
        h, y = instance(seed)
        bounds = embedding_error_bounds(h, y, max_images=None)
        assert bounds.theorem.terms["error"] == pytest.approx(slow_error(h, y), abs=1e-12)


def test_collapsed_classes_are_certified_without_error():
    bounds = embedding_error_bounds(torch.eye(3).repeat(2, 5, 1), torch.arange(3).repeat(5))
    for bound in all_three(bounds).values():
        assert bound.value == pytest.approx(0.0, abs=1e-12)
        assert bound.word == "informative"
    assert bounds.theorem.terms["sigma"] == 1.0
    assert bounds.theorem.terms["delta_f"] == 0.0


def test_complete_collapse_certifies_nothing():
    bounds = embedding_error_bounds(torch.ones(2, 8, 3), torch.arange(8) % 2)
    assert [bound.word for bound in all_three(bounds).values()] == ["vacuous"] * 3
    assert bounds.best.word == "vacuous"


def test_one_mislabelled_image_in_fifty_is_certified_exactly():
    y = torch.arange(100) % 2
    h = torch.eye(2)[y]
    h[:2] = h[[1, 0]]
    bounds = embedding_error_bounds(h.expand(2, 100, 2), y)
    for bound in all_three(bounds).values():
        assert bound.value == pytest.approx(0.02, abs=1e-12)
    assert bounds.theorem.terms["error"] == pytest.approx(0.02)


def test_the_cap_of_two_orthogonal_classes_is_an_eighth_of_a_turn():
    """Views at angle t from their axis, both sides: certified up to 45 degrees and not beyond."""
    for angle, value in ((44.9, 0.0), (45.1, 1.0)):
        t = math.radians(angle)
        corner = torch.tensor([[math.cos(t), math.sin(t)], [math.cos(t), -math.sin(t)]]).double()
        h = torch.stack([corner, corner.flip(1)], dim=1)  # [views 2 classes dim]: axes (1, 0) and (0, 1)
        h[:, 1, 0], h[:, 1, 1] = corner[:, 1], corner[:, 0]
        bounds = embedding_error_bounds(h, torch.tensor([0, 1]))
        assert bounds.cap.terms["smallest_radius"] == pytest.approx(math.pi / 4)
        assert bounds.cap.value == value
        assert bounds.cap.terms["error"] == value


def test_scale_rotation_order_and_label_names_change_nothing():
    h, y = instance(4)
    dim = h.shape[2]
    source = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=source)).Q
    order = torch.randperm(len(y), generator=source)
    one = all_three(embedding_error_bounds(h, y, max_images=None))
    two = all_three(embedding_error_bounds((3 * h @ rotation)[:, order], 7 - 2 * y[order], max_images=None))
    for name in ("theorem", "cap"):
        assert one[name].value == pytest.approx(two[name].value, abs=1e-9)
    assert one["cap"].terms["smallest_radius"] == pytest.approx(two["cap"].terms["smallest_radius"])


def test_single_precision_gives_the_same_certificates():
    h, y = instance(8)
    one, two = (all_three(embedding_error_bounds(x, y)) for x in (h, h.float()))
    for name, bound in one.items():
        assert bound.value == pytest.approx(two[name].value, abs=1e-6)


def test_large_classes_are_sampled_by_seed_and_small_ones_are_whole():
    h, y = instance(9)
    one = embedding_error_bounds(h, y, max_images=5, seed=3)
    assert one == embedding_error_bounds(h, y, max_images=5, seed=3)
    sizes = y.bincount().clamp_max(5)
    assert one.cap.terms["images"] == sizes.sum().item()
    assert one.cap.terms["error"] <= one.cap.value + 1e-12
    assert embedding_error_bounds(h, y).cap.terms["images"] == len(y)


def test_the_best_bound_holds_and_is_the_smallest_that_does():
    bounds = embedding_error_bounds(*instance(16))
    values = [bound.value for bound in all_three(bounds).values() if bound.holds]
    assert bounds.best.value == min(values)


@pytest.mark.parametrize(
    ("h", "y", "message"),
    [
        (torch.ones(1, 4, 2), [0, 1, 0, 1], "A pair needs views >= 2"),
        (torch.ones(2, 4, 2), [1, 1, 1, 1], "name 1 class"),
        (torch.ones(2, 4, 2), [0, 1, 1], "3 labels for 4 images"),
        (torch.zeros(2, 4, 2), [0, 1, 0, 1], "norm zero, which has no direction"),
        (torch.full((2, 4, 2), math.nan), [0, 1, 0, 1], "non-finite"),
    ],
)
def test_bad_input_is_refused(h, y, message):
    with pytest.raises(InputError, match=message):
        embedding_error_bounds(h, torch.tensor(y))


def test_settings_below_one_are_refused():
    with pytest.raises(InputError, match="max_images=0, levels=16"):
        embedding_error_bounds(*instance(0), max_images=0)
