"""SwAV: codes by hand and by loops, roles of crops, prototypes, and the queue."""

import copy

import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_settings
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.cluster.sinkhorn import sinkhorn
from contrascope.methods.cluster.swav_settings import SwAVSettings
from contrascope.methods.views import ViewBatch


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def swav(**changes):
    torch.manual_seed(0)
    plain = {"queue_size": 0, "freeze": 0.0, "local_views": 0}
    return build_method(small_settings("swav", **{**plain, **changes}), SmallEncoder())


def crops(*, large=2, small=3, batch=16, seed=0):
    images = clustered_views(views=large + small, batch=batch, seed=seed)
    return ViewBatch(groups=(images[:large], images[large:, ..., :5, :5]), ids=torch.arange(batch))


def shared_out(scores, epsilon, iterations):
    """The formula as loops: one view's scores [batch prototypes]."""
    q = [[2.718281828459045 ** (s / epsilon) for s in row] for row in scores.tolist()]
    for _ in range(iterations):
        columns = [sum(row[k] for row in q) for k in range(len(q[0]))]
        q = [[value / columns[k] / len(columns) for k, value in enumerate(row)] for row in q]
        q = [[value / sum(row) / len(q) for value in row] for row in q]
    return torch.tensor([[value * len(q) for value in row] for row in q], dtype=torch.float64)


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        (1, [[0.6, 0.4], [1 / 3, 2 / 3]]),
        (3, [[0.63380, 0.36620], [0.36585, 0.63415]]),
        (60, [[0.633975, 0.366025], [0.366025, 0.633975]]),
    ],
)
def test_codes_by_hand(iterations, expected):
    scores = 0.05 * torch.tensor([[[3.0, 1.0], [1.0, 1.0]]], dtype=torch.float64).log()
    found = sinkhorn(scores, epsilon=0.05, iterations=iterations)
    torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float64), atol=5e-6, rtol=0)


def test_codes_are_those_of_the_loops_for_each_view_alone():
    scores = F.normalize(normal(0, 2, 7, 5), dim=-1)
    found = sinkhorn(scores, epsilon=0.1, iterations=3)
    for view in range(2):
        torch.testing.assert_close(found[view], shared_out(scores[view], 0.1, 3))
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 7, dtype=torch.float64))


def test_without_an_iteration_codes_are_the_softmax_and_the_diagnosis_names_it():
    scores = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(sinkhorn(scores, epsilon=0.1, iterations=0), (scores / 0.1).softmax(-1))
    hint = SwAVSettings(iterations=0).hint("cluster collapse", {})
    assert hint is not None
    assert "iterations 0" in hint.cause


def test_three_iterations_leave_shares_unequal_and_many_make_them_equal():
    scores = F.normalize(normal(1, 1, 16, 8), dim=-1)
    few, many = (sinkhorn(scores, epsilon=0.05, iterations=n).sum(1) for n in (3, 500))
    assert (few - 2).abs().max() > 0.1
    torch.testing.assert_close(many, torch.full_like(many, 2.0), atol=1e-3, rtol=0)


def test_a_queue_counts_as_more_images_and_small_epsilon_does_not_overflow():
    scores, queue = F.normalize(normal(2, 1, 6, 5), dim=-1), F.normalize(normal(3, 9, 5), dim=-1)
    found = sinkhorn(scores, queue, epsilon=0.1, iterations=3)
    together = shared_out(torch.cat([queue, scores[0]]), 0.1, 3)
    torch.testing.assert_close(found[0], together[-6:])
    assert (found[0] - shared_out(scores[0], 0.1, 3)).abs().max() > 1e-2
    sharp = sinkhorn(scores.float(), epsilon=1e-3, iterations=3)
    assert sharp.isfinite().all()
    torch.testing.assert_close(sharp.sum(-1), torch.ones(1, 6))


def test_the_loss_is_each_view_against_the_codes_of_the_global_crops_alone():
    method, views = swav(), crops()
    frozen = copy.deepcopy(method)
    h = [torch.cat(list(group)) for group in views.groups]
    z = frozen.projector(torch.cat([frozen.encoder(one) for one in h])).unflatten(0, (5, 16))
    scores = (F.normalize(z, dim=-1) @ frozen.prototypes.weight.T).double()
    total = 0.0
    for maker in range(2):
        code = shared_out(scores[maker], 0.05, 3)
        for view in range(5):
            if view != maker:
                total += F.cross_entropy(scores[view] / 0.1, code).item() / 8
    output = method(views)
    assert output.terms.total.item() == pytest.approx(total, rel=1e-4)
    assert output.h.shape == (2, 16, 8)
    torch.testing.assert_close(output.z, z[:2])


def test_local_crops_change_no_code(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "contrascope.methods.cluster.swav.sinkhorn",
        lambda scores, queued, **told: seen.append(scores) or scores.softmax(-1),
    )
    method = swav().eval()
    views = crops()
    method(views)
    method(ViewBatch(groups=(views.groups[0], views.groups[1].flip(-1)), ids=views.ids))
    assert seen[0].shape == (2, 16, 10)
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-5, atol=1e-6)


def test_the_plan_has_a_group_of_each_role():
    groups = swav(local_views=3).plan(2).groups
    assert [(g.role, g.count, g.policy and g.policy.size) for g in groups] == [
        ("global", 2, None),
        ("local", 3, 5),
    ]
    assert len(swav().plan(2).groups) == 1


def optimise(method, views, progress):
    method.zero_grad()
    method(views).terms.total.backward()
    with torch.no_grad():
        for p in method.parameters():
            p -= 0.5 * p.grad
    method.after_step(progress)


def test_prototypes_stay_where_they_are_while_frozen_and_have_length_one_after_every_step():
    method = swav(freeze=0.3)
    start = method.prototypes.weight.clone()
    torch.testing.assert_close(start.norm(dim=1), torch.ones(10))
    encoder = method.encoder.conv.weight.clone()
    optimise(method, crops(), 0.2)
    torch.testing.assert_close(method.prototypes.weight, start, rtol=0, atol=1e-6)
    assert not torch.equal(method.encoder.conv.weight, encoder)
    optimise(method, crops(seed=1), 0.3)
    torch.testing.assert_close(method.prototypes.weight, start, rtol=0, atol=1e-6)
    optimise(method, crops(seed=2), 0.4)
    assert (method.prototypes.weight - start).abs().max() > 1e-4
    torch.testing.assert_close(method.prototypes.weight.norm(dim=1), torch.ones(10))


def test_the_queue_fills_late_and_takes_part_once_full_scored_with_the_prototypes_of_today(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "contrascope.methods.cluster.swav.sinkhorn",
        lambda scores, queued, **told: seen.append(queued) or scores.softmax(-1),
    )
    method = swav(queue_size=48, queue_from=0.3)
    found = []
    for step in range(5):
        views = crops(small=0, seed=step)
        found.append(copy.deepcopy(method)(views).z.flatten(0, 1))
        optimise(method, views, (step + 1) / 10)
    own = seen[1::2]  # those of the method itself, not of its copies
    # steps 1 and 2 end before 0.3; the 32 rows of step 3 and 32 of step 4 fill 48 places, the first 16 twice
    assert [one is None for one in own] == [True, True, True, True, False]
    assert method.filled.item() == 48
    assert method.pointer.item() == 96 % 48
    earlier = swav(queue_size=48, queue_from=0.3)
    for step in range(4):
        optimise(earlier, crops(small=0, seed=step), (step + 1) / 10)
    expected = torch.cat([found[3][16:], found[2][16:], found[3][:16]])
    torch.testing.assert_close(earlier.queue, expected)
    torch.testing.assert_close(own[-1], F.normalize(expected, dim=1) @ earlier.prototypes.weight.T)


def test_evaluation_changes_no_state_and_enqueues_nothing():
    method = swav(queue_size=48, queue_from=0.0).eval()
    before = copy.deepcopy(method.state_dict())
    method(crops())
    assert not method._waiting
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_accumulation_is_refused_since_codes_couple_images():
    assert "shares the images of a batch out" in swav().eval().accumulation_problem()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epsilon": 0.0}, "epsilon is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"iterations": -1}, "iterations must be at least 0"),
        ({"prototypes": 1}, "prototypes 2"),
        ({"freeze": 1.5}, r"freeze is a share of training in \[0, 1\]; got 1.5"),
        ({"local_views": -1}, "local_views must be at least 0"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        swav(**changes)


def test_its_hints_name_its_own_settings():
    assert "epsilon 0.5" in SwAVSettings(epsilon=0.5).hint("complete collapse", {}).cause
    assert "There are 4 prototypes" in SwAVSettings(prototypes=4).hint("cluster collapse", {}).cause
    assert "frozen all the time" in SwAVSettings(freeze=1.0).hint("not learning", {}).cause
    assert SwAVSettings().hint("complete collapse", {"z.dim": 128.0}) is None
