"""Certificates hold on 1,000 random embeddings, are sharp where they can be, and refuse bad input."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.bounds.halves import class_halves
from contrascope.theory.factors.alignment import unit_views


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
    """Every image against the centres of the half that it is not in: weighted shares, one image at a time."""
    f, total = unit_views(h), 0.0
    classes = sorted(set(y.tolist()))
    halves = class_halves(torch.tensor([classes.index(k) for k in y.tolist()]), len(classes))
    for fold in (0, 1):
        judged = [part[halves.judged(k, fold)].tolist() for k, part in enumerate(halves.images)]
        made = [part[~halves.judged(k, fold)].tolist() for k, part in enumerate(halves.images)]
        assert not {i for some in judged for i in some} & {i for some in made for i in some}
        centres = {k: f[:, some].mean(dim=(0, 1)) for k, some in enumerate(made) if some}
        for k, some in enumerate(judged):
            prior = (y == classes[k]).double().mean().item()
            if k not in centres or not some:
                total += prior / 2
                continue
            wrong = 0
            for i in some:
                gaps = {c: (f[:, i] - centre).norm(dim=1) for c, centre in centres.items()}
                wrong += any(bool((gaps[k] >= gaps[c]).any()) for c in gaps if c != k)
            total += prior * wrong / len(some) / 2
    return total


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
    bounds = embedding_error_bounds(torch.eye(3).repeat(2, 15, 1), torch.arange(3).repeat(15))
    for bound in all_three(bounds).values():
        assert bound.value == pytest.approx(0.0, abs=1e-12)
        assert bound.limit == pytest.approx(
            1 - 0.05 ** (1 / 21)
        )  # 15 images: 7 judge 8 and the other way round
        assert bound.word == "informative"
        assert str(bound).startswith("Err <= 0 at 2 views an image (informative: 0.1329 on new images")
    assert bounds.theorem.terms["sigma"] == 1.0
    assert bounds.theorem.terms["delta_f"] == 0.0


def test_too_few_images_certify_nothing_on_new_ones():
    bounds = embedding_error_bounds(torch.eye(2).repeat(2, 3, 1), torch.arange(2).repeat(3))
    assert (bounds.cap.value, bounds.cap.word) == (0.0, "vacuous")


def test_one_image_a_class_has_no_centre_to_be_judged_by():
    bounds = embedding_error_bounds(torch.eye(4).expand(2, 4, 4), torch.arange(4))
    assert [bound.value for bound in all_three(bounds).values()] == [1.0] * 3
    assert bounds.cap.terms["error"] == 1.0


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
        bounds = embedding_error_bounds(h.repeat(1, 2, 1), torch.tensor([0, 1, 0, 1]))
        assert bounds.cap.terms["smallest_radius"] == pytest.approx(math.pi / 4)
        assert bounds.cap.value == value
        assert bounds.cap.terms["error"] == value


def test_an_image_alone_in_its_class_counts_as_wrong_and_the_others_are_judged_once():
    y = torch.tensor([0] * 40 + [1])
    h = torch.eye(2, dtype=torch.float64)[y].expand(2, -1, -1)
    bounds = embedding_error_bounds(h, y)
    assert not bounds.theorem.conditions["centres of at least two classes"]
    # of class 1 one half has no centre, so that half judges nothing; the other has no image of it to judge
    assert bounds.cap.value == pytest.approx((1 + 1 / 41) / 2)
    assert bounds.cap.terms["error"] == pytest.approx(bounds.cap.value)


def test_scale_rotation_label_names_and_the_order_of_views_change_nothing():
    h, y = instance(4)
    dim = h.shape[2]
    source = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=source)).Q
    one = all_three(embedding_error_bounds(h, y, max_images=None))
    two = all_three(embedding_error_bounds((3 * h @ rotation).flip(0), 7 + 2 * y, max_images=None))
    for name in one:
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


def test_classes_keep_their_shares_where_the_larger_ones_are_sampled():
    """Nine images in ten of one class: its share weighs, whatever was drawn of it, and so does the trivial error."""
    y = (torch.arange(400) >= 360).long()
    h = torch.eye(2, dtype=torch.float64)[y]
    h[y == 1] = torch.tensor([1.0, 0.0], dtype=torch.float64)  # on the large class: wrong
    h[370:] = torch.tensor([0.0, 1.0], dtype=torch.float64)
    some, every = (embedding_error_bounds(h.expand(2, -1, -1), y, max_images=m) for m in (40, None))
    assert some.cap.trivial == every.cap.trivial == pytest.approx(0.1)
    assert some.cap.terms["error"] == pytest.approx(0.025)
    assert some.cap.terms["error"] == pytest.approx(every.cap.terms["error"])
    assert some.cap.limit > every.cap.limit


def test_an_image_never_helps_to_make_the_centre_that_judges_it():
    """As many directions as images: on the images themselves the centres err never, on others by chance."""
    source = torch.Generator().manual_seed(0)
    h, y = (
        torch.randn(1, 40, 400, dtype=torch.float64, generator=source).expand(2, -1, -1),
        torch.arange(40) % 2,
    )
    own = torch.stack([unit_views(h)[0, y == k].mean(dim=0) for k in (0, 1)])
    assert (torch.cdist(unit_views(h)[0], own).argmin(dim=1) == y).all()
    bounds = embedding_error_bounds(h, y)
    assert 0.3 < bounds.cap.terms["error"] < 0.7
    assert [bound.word for bound in all_three(bounds).values()] == ["vacuous"] * 3


@pytest.mark.slow
def test_the_limit_covers_the_error_on_new_images():
    """Two clouds whose error is known by integration over many new images: above the limit in 1 of 20 sets at most."""
    missed = {"cap": 0, "direct": 0}
    for seed in range(200):
        source = torch.Generator().manual_seed(seed)
        y = torch.arange(60) % 2
        h = torch.eye(2, 4, dtype=torch.float64)[y] + 0.35 * torch.randn(
            60, 4, dtype=torch.float64, generator=source
        )
        h = unit_views(h.expand(2, -1, -1))
        new_y = torch.arange(4000) % 2
        new = torch.eye(2, 4, dtype=torch.float64)[new_y]
        new = new + 0.35 * torch.randn(4000, 4, dtype=torch.float64, generator=source)
        new = new / new.norm(dim=1, keepdim=True)
        halves, errors = class_halves(y, 2), []
        for fold in (0, 1):
            made = [part[~halves.judged(k, fold)] for k, part in enumerate(halves.images)]
            centres = torch.stack([h[0, some].mean(dim=0) for some in made])
            errors.append((torch.cdist(new, centres).argmin(dim=1) != new_y).double().mean().item())
        bounds = all_three(embedding_error_bounds(h, y, levels=4))
        for name in missed:
            missed[name] += sum(errors) / 2 > bounds[name].limit
    assert max(missed.values()) <= 10


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


@pytest.mark.parametrize("setting", ["max_images", "levels"])
def test_settings_below_one_are_refused(setting):
    with pytest.raises(InputError, match=f"{setting}=0; expected at least 1"):
        embedding_error_bounds(*instance(0), **{setting: 0})
