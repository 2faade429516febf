"""DINO: codes and loss by hand, roles of crops, centre, temperatures, teacher, frozen layer, accumulation."""

import copy
import math

import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_settings
from torch import nn
from torch.nn import functional as F

from contrascope.encoders.projector import build_projector
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.momentum.dino_settings import DINOSettings
from contrascope.methods.views import ViewBatch


class Plain(nn.Module):
    """No batch norm: every image by itself."""

    dim = 8

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, images):
        return torch.tanh(self.conv(images)).mean((2, 3))


def dino(encoder=SmallEncoder, **changes):
    torch.manual_seed(0)
    plain = {"freeze": 0.0, "local_views": 0, "temperature_warmup": 0.0, "teacher_temperature": 0.04}
    return build_method(small_settings("dino", **{**plain, **changes}), encoder())


def crops(*, large=2, small=3, batch=16, seed=0, dtype=torch.float32):
    images = clustered_views(views=large + small, batch=batch, seed=seed, dtype=dtype)
    return ViewBatch(groups=(images[:large], images[large:, ..., :5, :5]), ids=torch.arange(batch))


def optimise(method, views, progress):
    method.zero_grad()
    method(views).terms.total.backward()
    with torch.no_grad():
        for p in method.parameters():
            if p.grad is not None:
                p -= 0.5 * p.grad
    method.after_step(progress)


def scores_by_hand(encoder, projector, prototypes, crops_):
    """Cosines of a network's outputs with the rows of its last layer, one pass for crops of a size."""
    h = torch.cat([encoder(group.flatten(0, 1)) for group in crops_])
    z = F.normalize(projector(h), dim=1)
    rows = prototypes.weight / prototypes.weight.norm(dim=1, keepdim=True)
    return (z @ rows.T).unflatten(0, (-1, crops_[0].shape[1]))


def test_the_loss_is_every_crop_against_the_teachers_codes_of_the_other_global_crops():
    method, views = dino(), crops()
    with torch.no_grad():
        method.target_encoder.conv.weight.mul_(-1)  # the teacher differs
        method.centre.copy_(torch.linspace(-0.3, 0.3, 10))
    frozen = copy.deepcopy(method)
    teacher = scores_by_hand(
        frozen.target_encoder, frozen.target_projector, frozen.target_prototypes, views.groups[:1]
    )
    student = scores_by_hand(frozen.encoder, frozen.projector, frozen.prototypes, views.groups)
    codes = ((teacher - frozen.centre) / 0.04).softmax(-1)
    pairs = [(t, v) for t in range(2) for v in range(5) if v != t]
    expected = sum(F.cross_entropy(student[v] / 0.1, codes[t]) for t, v in pairs) / len(pairs)
    output = method(views)
    torch.testing.assert_close(output.terms.total, expected)
    assert output.z.shape == (2, 16, 6)
    assert not output.z.requires_grad


def test_equal_networks_of_zero_scores_cost_the_log_of_the_prototypes():
    method = dino()
    for weight in (method.projector.layers[-1].weight, method.target_projector.layers[-1].weight):
        nn.init.zeros_(weight)
    for bias in (method.projector.layers[-1].bias, method.target_projector.layers[-1].bias):
        nn.init.zeros_(bias)
    assert method(crops()).terms.total.item() == pytest.approx(math.log(10), abs=1e-5)


def test_the_centre_moves_after_the_step_to_the_mean_of_the_global_crops():
    method = dino(centre_decay=0.75)
    views = crops()
    frozen = copy.deepcopy(method)
    teacher = scores_by_hand(
        frozen.target_encoder, frozen.target_projector, frozen.target_prototypes, views.groups[:1]
    )
    method(views)
    assert method.centre.abs().max() == 0
    method.after_step(0.1)
    torch.testing.assert_close(method.centre, 0.25 * teacher.mean((0, 1)).detach())
    once = method.centre.clone()
    method.eval()(views)
    method.after_step(0.2)
    assert torch.equal(method.centre, once)  # nothing was trained


def test_local_crops_reach_neither_the_teacher_nor_the_centre():
    one, other = dino(), dino()
    views = crops()
    turned = ViewBatch(groups=(views.groups[0], views.groups[1].flip(-1)), ids=views.ids)
    losses = [one(views).terms.total.item(), other(turned).terms.total.item()]
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)
    one.after_step(0.1)
    other.after_step(0.1)
    assert torch.equal(one.centre, other.centre)


def test_the_teachers_temperature_goes_from_the_one_to_the_other_in_a_straight_line():
    method = dino(temperature_warmup=0.5, warmup_teacher_temperature=0.04, teacher_temperature=0.08)
    found = []
    for progress in (0.0, 0.125, 0.25, 0.5, 1.0):
        method.after_step(progress)
        found.append(method.teacher_temperature())
    assert found == pytest.approx([0.04, 0.05, 0.06, 0.08, 0.08])
    assert dino().teacher_temperature() == 0.04


def test_the_teacher_follows_and_stands_still_at_the_end():
    method = dino(ema_decay=0.9)
    with torch.no_grad():
        for p in method.encoder.parameters():
            p += 1
        method.prototypes.weight += 1
    start = {key: p.clone() for key, p in method.named_parameters() if key.startswith("target_")}
    assert not any(p.requires_grad for key, p in method.named_parameters() if key in start)
    method.after_step(0.0)
    for key in ("target_encoder.conv.weight", "target_prototypes.weight"):
        torch.testing.assert_close(dict(method.named_parameters())[key], start[key] + 0.1)
    still = copy.deepcopy(method.target_encoder.state_dict())
    method.after_step(1.0)
    assert all(torch.equal(value, still[key]) for key, value in method.target_encoder.state_dict().items())


def test_the_last_layer_stays_while_frozen_and_its_length_does_not_matter():
    method = dino(freeze=0.3)
    start, encoder = method.prototypes.weight.clone(), method.encoder.conv.weight.clone()
    optimise(method, crops(), 0.2)
    assert torch.equal(method.prototypes.weight, start)
    assert not torch.equal(method.encoder.conv.weight, encoder)
    optimise(method, crops(seed=1), 0.4)
    optimise(method, crops(seed=2), 0.5)
    assert (method.prototypes.weight - start).abs().max() > 1e-4
    long = copy.deepcopy(method)
    with torch.no_grad():
        long.prototypes.weight.mul_(3)
    views = crops(seed=3)
    torch.testing.assert_close(long(views).terms.total, method(views).terms.total)


def test_parts_of_a_batch_give_the_gradient_centre_and_teacher_of_the_whole():
    whole = dino(
        Plain,
        projector=ProjectorSettings(hidden=(12,), out=6),
    ).double()
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    for step in range(3):
        views = crops(seed=step, dtype=torch.float64)
        whole(views).terms.total.backward()
        for part in range(4):
            mine = slice(4 * part, 4 * part + 4)
            some = ViewBatch(groups=tuple(g[:, mine] for g in views.groups), ids=views.ids[mine])
            (cut(some).terms.total / 4).backward()
        for method in (whole, cut):
            with torch.no_grad():
                for p in method.parameters():
                    if p.grad is not None:
                        p -= 0.5 * p.grad
            method.zero_grad()
            method.after_step(step / 3)
        for key, value in whole.state_dict().items():
            torch.testing.assert_close(cut.state_dict()[key], value, rtol=1e-9, atol=1e-12, msg=key)


def test_the_loss_falls_where_teacher_and_centre_stand_still():
    method = dino(ema_decay=1.0, centre_decay=1.0)
    with torch.no_grad():
        views = crops()
        h = method.target_encoder(views.groups[0].flatten(0, 1))
        z = F.normalize(method.target_projector(h), dim=1)
        method.centre.copy_((z @ F.normalize(method.target_prototypes.weight, dim=1).T).mean(0))
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(24):
        loss = method(crops(seed=step % 2)).terms.total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step(step / 24)
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.95 * sum(losses[:4])


def test_batch_norm_refuses_parts():
    assert "batch norm (encoder.norm)" in dino().accumulation_problem()


def test_evaluation_changes_no_state():
    method = dino().eval()
    before = copy.deepcopy(method.state_dict())
    method(crops())
    assert not method._waiting
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_gelu_is_smooth_where_relu_is_not():
    made = build_projector(ProjectorSettings(hidden=(4, 4), out=3, activation="gelu"), 5)
    assert [type(layer).__name__ for layer in made.layers] == ["Linear", "GELU", "Linear", "GELU", "Linear"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teacher_temperature": 0.0}, "teacher_temperature is 0"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"ema_decay": 1.5}, r"ema_decay must lie in \[0, 1\]"),
        ({"centre_decay": -0.1}, "centre_decay is a share"),
        ({"prototypes": 1}, "prototypes must be at least 2"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        dino(**changes)


def test_its_hints_name_its_own_settings():
    assert "temperature 0.5" in DINOSettings(teacher_temperature=0.5).hint("complete collapse", {}).cause
    assert "centre_decay 1" in DINOSettings(centre_decay=1.0).hint("complete collapse", {}).cause
    assert "never moves" in DINOSettings(ema_decay=1.0).hint("not learning", {}).cause
    assert DINOSettings().hint("complete collapse", {"z.dim": 256.0}) is None
