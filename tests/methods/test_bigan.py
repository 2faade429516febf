"""BiGAN and ALI: losses by hand, loops over images, who moves in a turn, draws, accumulation, refusals."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from bigan_cases import FULL, Plain, bigan, drawn, part_of, turns
from method_cases import clustered_views
from torch import nn
from torch.nn import functional as F

from contrascope.draws import DrawKey, normal
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.methods.adversarial.bigan_settings import BiGANSettings
from contrascope.methods.adversarial.pair_loss import discriminator_loss, encoder_loss
from contrascope.methods.build import build_method
from contrascope.training.optim import Optimisers
from contrascope.training.settings import OptimSettings

LN2 = math.log(2)


class Silent(nn.Module):
    """A discriminator that says 0 of everything."""

    def __init__(self, scores):
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(scores))

    def forward(self, images, z):
        return self.scores.expand(len(images), -1)


@pytest.mark.parametrize(
    ("loss", "unary", "expected"),
    [
        ("logistic", False, (2 * LN2, 2 * LN2)),
        ("logistic", True, (6 * LN2, 6 * LN2)),
        ("hinge", True, (6, 0)),
        ("hinge", False, (2, 0)),
    ],
)
def test_a_discriminator_that_says_nothing_costs_two_logs_of_two_or_the_margins(loss, unary, expected):
    method = bigan(loss=loss, unary=unary)
    method.discriminator = Silent(3 if unary else 1)
    found = [method(one).terms for one in turns(method, drawn(method))]
    assert [terms.total.item() for terms in found] == pytest.approx(expected)
    for terms in found:
        assert terms.align.shape == (16,)
        assert terms.align.mean().item() == pytest.approx(terms.spread.item())


def test_losses_by_hand():
    real, generated = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5]])
    terms = discriminator_loss(real, generated, shape="logistic")
    assert terms.align.tolist() == pytest.approx([0.126928, 1.313262], abs=1e-6)
    assert terms.spread.item() == pytest.approx(0.974077, abs=1e-6)
    terms = encoder_loss(real, generated, shape="logistic")
    assert terms.align.tolist() == pytest.approx([2.126928, 0.313262], abs=1e-6)
    assert terms.spread.item() == pytest.approx(0.474077, abs=1e-6)
    terms = discriminator_loss(real, generated, shape="hinge")
    assert (terms.align.tolist(), terms.spread.item()) == ([0.0, 2.0], 1.5)
    terms = encoder_loss(real, generated, shape="hinge")
    assert (terms.align.tolist(), terms.spread.item()) == ([2.0, -1.0], -0.5)
    several = discriminator_loss(torch.tensor([[2.0, -1.0, 0.0]]), torch.zeros(1, 3), shape="hinge")
    assert (several.align.tolist(), several.spread.item()) == ([3.0], 3.0)


def test_over_all_discriminators_of_discrete_pairs_the_least_loss_is_log_4_less_two_jsd():
    """x and z take two values each; pairs stand as often as their probabilities ask, in eighths."""
    real, generated = torch.tensor([3, 1, 2, 2]), torch.tensor([1, 1, 5, 1])
    p, q = real.double() / 8, generated.double() / 8
    middle = (p + q) / 2
    jsd = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    of_real, of_generated = (torch.arange(4).repeat_interleave(counts) for counts in (real, generated))
    table = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)  # a score for each pair
    optimiser = torch.optim.LBFGS([table], max_iter=200, tolerance_grad=1e-12, tolerance_change=0)

    def closure():
        optimiser.zero_grad()
        loss = discriminator_loss(table[of_real], table[of_generated], shape="logistic").total
        loss.backward()
        return loss

    optimiser.step(closure)
    assert closure().item() == pytest.approx(math.log(4) - 2 * jsd.item(), abs=1e-10)
    torch.testing.assert_close(table[:, 0].detach(), (p / q).log(), rtol=0, atol=1e-5)


def slow_scores(method, image, z):
    """The scores of one pair, place by place: convolutions in loops, weights over the stored estimates."""
    network = method.discriminator

    def weight(layer):
        own = layer.parametrizations.weight
        return own.original / (own[0].left @ own.original.flatten(1) @ own[0].right)

    maps = 2 * image - 1
    for unit in network.of_image:
        kernel, bias = weight(unit[0]), unit[0].bias
        out = -(-maps.shape[1] // 2)
        padded = F.pad(maps, (1, 1, 1, 1))
        rows = [
            torch.stack(
                [
                    (kernel * padded[:, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3]).sum((1, 2, 3)) + bias
                    for c in range(out)
                ]
            )
            for r in range(out)
        ]
        maps = F.leaky_relu(torch.stack(rows), 0.2).permute(2, 0, 1)
    image = maps.flatten(1).sum(1)
    for unit in network.of_latents:
        z = F.leaky_relu(weight(unit[0]) @ z + unit[0].bias, 0.2)
    first, last = network.of_both[0][0], network.of_both[1]
    both = F.leaky_relu(weight(first) @ torch.cat([image, z]) + first.bias, 0.2)
    scores = [weight(last) @ both + last.bias]
    if network.image_score is not None:
        alone = zip((network.image_score, network.latents_score), (image, z), strict=True)
        scores = [weight(layer) @ vector + layer.bias for layer, vector in alone] + scores
    return torch.cat(scores)


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
@pytest.mark.parametrize("changes", [{}, {"stochastic": True}, {"unary": True}, FULL])
def test_the_loss_is_that_of_loops_over_images_in_every_turn(loss, changes):
    method = bigan(loss=loss, channels=2, **changes).double()
    views = drawn(method, batch=3, dtype=torch.float64, channels=2)
    for one in turns(method, views):
        sign = -1 if one.turn == "discriminator" else 1
        align, spread = [], 0.0
        for number in range(3):
            image, draws = one.only[0, number], one.targets[0][0, number, one.place].double()
            h = method.encoder(image[None])
            code = method.projector(h)[0]
            if method.log_variance is not None:
                code = code + method.log_variance(h)[0].mul(0.5).exp() * draws[1]
            made = method.generator(draws[:1], (6, 6))[0]
            real, generated = slow_scores(method, image, code), slow_scores(method, made, draws[0])
            if loss == "logistic":
                align.append((1 + (sign * real).exp()).log().sum().item())
                spread += (1 + (-sign * generated).exp()).log().sum().item() / 3
            elif sign < 0:
                align.append((1 - real).clamp_min(0).sum().item())
                spread += (1 + generated).clamp_min(0).sum().item() / 3
            else:
                align.append(real.sum().item())
                spread -= generated.sum().item() / 3
        output = method(one)
        assert output.terms.align.tolist() == pytest.approx(align, rel=1e-9)
        assert output.terms.spread.item() == pytest.approx(spread, rel=1e-9)
        torch.testing.assert_close(output.h[0], method.encoder(one.only[0]))
        torch.testing.assert_close(output.z[0], method.projector(method.encoder(one.only[0])))
        assert not output.h.requires_grad
        assert not output.z.requires_grad


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_gradients_of_each_turn_are_finite_differences_and_reach_its_own_networks_alone(loss):
    method = bigan(loss=loss, **FULL).double()
    views = drawn(method, batch=4, dtype=torch.float64)
    for one in turns(method, views):
        own = {name for name, _ in method.named_parameters() if name.startswith("discriminator")}
        if one.turn == "generator":
            own = {name for name, _ in method.named_parameters()} - own
        method.zero_grad(set_to_none=True)
        method(one).terms.total.backward()
        named = dict(method.named_parameters())
        assert {name for name, p in named.items() if p.grad is not None} == own
        assert all(p.requires_grad for p in named.values())
        for name in sorted(own):
            p = named[name]
            direction = torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype)
            expected, ends = (p.grad * direction).sum().item(), []
            for step in (1e-6, -1e-6):
                moved = copy.deepcopy(method)
                dict(moved.named_parameters())[name].data += step * direction
                ends.append(moved(one).terms.total.item())
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(expected, rel=1e-4, abs=1e-7), name


def test_a_turn_moves_its_own_weights_and_leaves_the_others_statistics():
    method = bigan(batch_norm=True, **FULL)
    optimisers = Optimisers(OptimSettings(name="adamw", lr=0.01, momentum=0.5, weight_decay=0.1), method)
    for one in turns(method, drawn(method)):
        before = copy.deepcopy(method.state_dict())
        method(one).terms.total.backward()
        optimisers.step(one.turn, clip_norm=0.0)
        method.zero_grad(set_to_none=True)
        moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
        parameters = {name for name, _ in method.named_parameters()}
        if one.turn == "discriminator":
            assert moved == {name for name in parameters if name.startswith("discriminator")}
        else:
            statistics = {name for name, _ in method.named_buffers() if "norm" in name or "units" in name}
            assert "encoder.norm.running_mean" in statistics
            assert "generator.units.0.1.running_var" in statistics
            others = {name for name in parameters if not name.startswith("discriminator")}
            assert moved == others | statistics
            assert method.encoder.norm.num_batches_tracked == 1
    before = copy.deepcopy(method.state_dict())
    method.after_step(0.5)
    moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert all(key.endswith((".left", ".right")) for key in moved)


def test_two_optimisers_and_their_rates():
    method = bigan(discriminator_steps=3, discriminator_rate=0.5)
    assert method.turns == ("discriminator", "discriminator", "discriminator", "generator")
    parts = method.optimised()
    assert {name: part.rate for name, part in parts.items()} == {"discriminator": 0.5, "generator": 1.0}
    assert sum(len(part.parameters) for part in parts.values()) == len(list(method.parameters()))


def test_draws_are_of_image_seed_epoch_and_turn():
    method = bigan(**FULL)
    assert [group.count for group in method.plan(4).groups] == [1]
    key = DrawKey(seed=3, epoch=2, ids=torch.arange(500))
    images = torch.rand(500, 1, 6, 6)
    view, draws = method.with_draws(images, key)
    assert torch.equal(view, images)
    assert draws.shape == (500, 3, 2, 5)  # images, turns, z and noise, width
    assert torch.equal(draws.flatten(1), normal(key, 30))
    flat = draws.flatten(1).double()
    assert (torch.corrcoef(flat.T) - torch.eye(30)).abs().max() < 0.25  # no two turns share their draws
    assert flat.var(dim=0).mean().item() == pytest.approx(1, abs=0.05)
    some = DrawKey(seed=3, epoch=2, ids=torch.tensor([7, 411]))
    assert torch.equal(method.with_draws(images[:2], some)[1], draws[[7, 411]])
    for other in (replace(key, epoch=3), replace(key, seed=4)):
        assert (method.with_draws(images, other)[1] != draws).float().mean() > 0.99
    first, second, _ = turns(method, drawn(method))
    assert method(first).terms.spread.item() != pytest.approx(method(second).terms.spread.item(), rel=1e-5)


@pytest.mark.parametrize("changes", [{}, FULL, {"unary": True, "loss": "hinge"}])
def test_parts_of_a_batch_give_the_gradient_of_the_whole_in_every_turn(changes):
    whole = bigan(**changes).double()
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    for one in turns(whole, drawn(whole, dtype=torch.float64)):
        whole(one).terms.total.backward()
        for first in range(0, 16, 4):
            (cut(part_of(one, slice(first, first + 4))).terms.total / 4).backward()
    for method in (whole, cut):
        method.after_step(0.1)
    for (name, p), q in zip(whole.named_parameters(), cut.parameters(), strict=True):
        inside = "loss" in changes and name.endswith(("of_both.1.bias", "score.bias"))  # slopes 1 and -1
        assert inside or p.grad.abs().max() > 0, name
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-9, atol=1e-12, msg=name)
    for key, value in whole.state_dict().items():
        assert torch.equal(cut.state_dict()[key], value), key
    assert "batch norm (generator" in bigan(batch_norm=True, encoder=Plain()).accumulation_problem()


def test_signals_tell_a_generator_that_inverts_from_one_that_does_not():
    method = bigan()
    views = drawn(method)
    images = views.only[0]

    class Memory(nn.Module):
        """Finds the image whose code it is given; of anything else the first."""

        def __init__(self):
            super().__init__()
            self.start = nn.Linear(1, 1)

        def forward(self, z, side):
            codes = method.projector(method.encoder(images))
            return images[torch.cdist(z, codes).argmin(dim=1)]

    before = copy.deepcopy(method.state_dict())
    plain = method.signals(views)
    assert set(plain) == {"reconstruction", "generated_variance", "encoded_variance"}
    assert plain["reconstruction"] == pytest.approx(1, abs=0.3)
    assert 0 < plain["generated_variance"] < 0.3  # drawn weights: images that hardly differ
    z = method.projector(method.encoder(images)).detach()
    assert plain["encoded_variance"] == pytest.approx(z.var(dim=0).mean().item())
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    method.generator = Memory()
    assert method.signals(views)["reconstruction"] == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        method.projector.layers[-1].weight.zero_()  # a constant encoder: one image for all
    sick = method.signals(views)
    assert sick["reconstruction"] == pytest.approx(1, abs=1e-6)
    assert (sick["encoded_variance"], sick["generated_variance"]) == (0, 0)
    with pytest.raises(InputError, match="at least two that differ"):
        method.signals(part_of(views, slice(0, 1)))


def test_a_discriminator_alone_learns_and_then_so_do_the_others():
    """The loss of the side that moves falls while the other holds still."""
    method = bigan(batch_norm=True, discriminator_width=8)
    optimisers = Optimisers(OptimSettings(name="adamw", lr=5e-3, momentum=0.5, weight_decay=0.0), method)
    for which, place in (("discriminator", 0), ("generator", 1)):
        losses = []
        for step in range(40):
            one = replace(drawn(method, seed=step % 4, epoch=step), turn=which, place=place)
            terms = method(one).terms
            terms.total.backward()
            optimisers.step(which, clip_norm=0.0)
            method.zero_grad(set_to_none=True)
            method.after_step(0.0)
            losses.append(terms.total.item())
        assert sum(losses[-4:]) < sum(losses[:4]) - 0.4


def test_what_it_cannot_use_is_refused_with_what_to_do():
    method = bigan()
    views = drawn(method)
    with pytest.raises(InputError, match="two optimisers; got the turn ''"):
        method(views)
    with pytest.raises(InputError, match="needs the draws of each view; have the views made by its plan"):
        method(clustered_views(views=1))
    with pytest.raises(InputError, match="got 2 groups of views"):
        method(replace(views, groups=views.groups * 2))
    flat = nn.Linear(36, 8)
    flat.dim = 8
    with pytest.raises(InputError, match=r"Linear does not say of how many channels\. Wrap it"):
        build_method(BiGANSettings(), flat)
    encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=8)
    colour = bigan(encoder=encoder)
    grey = drawn(colour)
    with pytest.raises(InputError, match="built for 3 channels; got images with 1"):
        colour(replace(grey, turn="generator"))
    for changes, said in (
        ({"discriminator_steps": 0}, "discriminator_steps is 0; expected 1 to 100"),
        ({"discriminator_rate": 0.0}, "discriminator_rate is 0.0; expected a finite number above zero"),
        ({"generator_widths": ()}, "must be at least 1, with one or more widths"),
        ({"discriminator_width": 0}, "must be at least 1, with one or more widths"),
        ({"grid": 0}, "grid is 0; expected 1 or more"),
    ):
        with pytest.raises(InputError, match=said):
            bigan(**changes)


def test_its_hints_name_its_own_settings():
    learning, collapse = "not learning", "complete collapse"
    assert "moves 20 times as fast" in BiGANSettings(discriminator_rate=20.0).hint(learning, {}).cause
    assert "stays at that of a guess" in BiGANSettings(discriminator_rate=0.01).hint(learning, {}).cause
    assert "moves 10 times a step" in BiGANSettings(discriminator_steps=10).hint(collapse, {}).cause
    assert "spectral_norm is off" in BiGANSettings(spectral_norm=False).hint(collapse, {}).cause
    assert "puts out 4 numbers" in BiGANSettings().hint(collapse, {"z.dim": 4.0}).cause
    assert BiGANSettings().hint(learning, {"z.dim": 4.0}) is None
    assert BiGANSettings().hint(collapse, {"z.dim": 64.0}) is None
