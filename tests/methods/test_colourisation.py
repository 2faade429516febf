"""Colourisation: Lab and bins by hand, the loss as loops, weights, gray images, refusals, parts of a batch."""

import copy
import math

import pytest
import torch

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.encoders.build import build_encoder, wrap_encoder
from contrascope.encoders.lightness import lightness_alone
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.pretext.colour_bins import bin_weights, colour_bins, lab, soft_bins
from contrascope.methods.pretext.colourisation_settings import ColourisationSettings
from contrascope.methods.views import ViewBatch
from contrascope.training.settings import TrainingSettings
from contrascope.training.views import image_views

CROSS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [0.0, -10.0], [50.0, 50.0]])


def blind(name="convnet", **settings):
    torch.manual_seed(0)
    asked = {"name": name, "width": 4 if name == "convnet" else 12, "gray": True, **settings}
    return build_encoder(EncoderSettings(**asked), channels=3, size=8)


def colourisation(encoder=None, **changes):
    small = {"grid": 20.0, "sigma": 10.0, "neighbours": 5, **changes}
    return build_method(ColourisationSettings(**small), blind() if encoder is None else encoder)


def coloured(batch=16, *, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    gray = torch.rand(1, batch, 1, 8, 8, generator=generator, dtype=torch.float64)
    tint = torch.rand(1, batch, 3, 1, 1, generator=generator, dtype=torch.float64)
    return (0.3 * gray + 0.7 * tint).to(dtype)


def colour(*rgb):
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_lab_of_the_corners(rgb, expected):
    assert lab(colour(*rgb)).flatten().tolist() == pytest.approx(expected, abs=0.01)


def test_taking_the_lightness_keeps_l_and_makes_a_and_b_nought():
    images = torch.rand(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before, after = lab(images), lab(lightness_alone(images))
    torch.testing.assert_close(after[:, 0], before[:, 0], rtol=0, atol=1e-4)
    assert after[:, 1:].abs().max() < 1e-3
    assert before[:, 1:].abs().max() > 10


@pytest.mark.parametrize(("grid", "count"), [(10.0, 261), (20.0, 77)])
def test_every_colour_falls_into_a_bin_and_no_bin_is_empty(grid, count):
    bins = colour_bins(grid)
    assert len(bins) == count
    assert torch.equal(bins, (bins / grid).round() * grid)
    images = torch.rand(1, 3, 100, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = (lab(images)[0, 1:].flatten(1).T / grid).round() * grid
    known = set(map(tuple, bins.tolist()))
    assert {tuple(row) for row in (found + 0.0).tolist()} <= known


def test_a_colour_on_a_bin_with_four_neighbours():
    index, shares = soft_bins(torch.zeros(1, 2), CROSS, neighbours=5, sigma=5.0)
    assert index[0, 0].item() == 0
    assert sorted(index[0].tolist()) == [0, 1, 2, 3, 4]
    assert shares[0].tolist() == pytest.approx([0.6488, *[0.0878] * 4], abs=1e-4)


def test_weights_by_hand_and_their_mean():
    found = bin_weights(torch.tensor([3, 1]), uniform=0.5)
    assert found.tolist() == pytest.approx([0.85714, 1.42857], abs=1e-5)
    counts = torch.tensor([7, 0, 2, 1])
    weights = bin_weights(counts, uniform=0.3)
    assert (weights * counts / 10).sum().item() == pytest.approx(1)
    assert weights.argsort().tolist() == [0, 2, 3, 1]
    assert bin_weights(torch.zeros(3, dtype=torch.int64), uniform=0.5).tolist() == [1, 1, 1]
    assert bin_weights(counts, uniform=1.0).tolist() == pytest.approx([1] * 4)


def reference(method, images):
    """The loss of each image by loops, in float64."""
    settings, bins, counts = method.settings, method.bins.double(), method.counts.double()
    maps = method.encoder.maps(images)
    each = method.head(maps)  # batch (bin row column) rows columns
    side, detail = maps.shape[2], settings.detail
    p = counts / counts.sum() if counts.sum() else torch.full_like(counts, 1 / len(counts))
    raw = [1 / ((1 - settings.uniform) * q + settings.uniform / len(p)) for q in p.tolist()]
    scale = sum(q * w for q, w in zip(p.tolist(), raw, strict=True))
    width = 8 // (side * detail)
    losses = []
    for image, found in zip(images, each, strict=True):
        ab = lab(image[None])[0, 1:]
        total, seen = 0.0, False
        for row in range(side * detail):
            for column in range(side * detail):
                patch = ab[:, row * width : (row + 1) * width, column * width : (column + 1) * width]
                middle = patch.mean((1, 2))
                seen |= bool((middle.abs() > 5).any())
                square = ((bins - middle) ** 2).sum(1)
                near = square.argsort()[: settings.neighbours]
                shares = (-square[near] / (2 * settings.sigma**2)).exp()
                shares = shares / shares.sum()
                within = (row % detail) * detail + column % detail
                logits = found[within :: detail**2, row // detail, column // detail]
                cross = -(shares * logits.log_softmax(0)[near]).sum()
                total = total + raw[int(near[0])] / scale * cross
        losses.append(total / (side * detail) ** 2 if seen else torch.zeros(()))
    return torch.stack([torch.as_tensor(loss, dtype=torch.float64) for loss in losses])


@pytest.mark.parametrize("detail", [1, 2])
@pytest.mark.parametrize("counted", [False, True])
def test_the_loss_is_that_of_the_loops(detail, counted):
    method = colourisation(detail=detail).double().eval()
    if counted:
        method.counts.copy_(torch.arange(len(method.bins)) % 5)
    images = coloured(5, dtype=torch.float64)
    images[0, 2] = lightness_alone(images[0, 2:3])[0]
    output = method(images)
    torch.testing.assert_close(output.terms.align, reference(method, images[0]), rtol=1e-6, atol=1e-9)
    assert output.terms.align[2].item() == 0
    assert output.terms.spread.item() == 0
    torch.testing.assert_close(output.h[0], method.encoder(images[0]).detach())
    assert output.z is None


def test_the_gradient_is_that_of_finite_differences():
    method = colourisation(detail=1).double().eval()
    method.counts.copy_(torch.arange(len(method.bins)) % 5)
    images, weight = coloured(3, dtype=torch.float64), method.head.weight
    method(images).terms.total.backward()
    direction = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weight += 1e-5 * direction
        above = method(images).terms.total
        weight -= 2e-5 * direction
        below = method(images).terms.total
    assert ((above - below) / 2e-5).item() == pytest.approx((weight.grad * direction).sum().item(), rel=1e-5)
    assert method.encoder.trunk.units[0].conv.weight.grad.abs().max() > 0


def test_a_guess_costs_the_log_of_the_number_of_bins_in_the_first_step():
    method = colourisation()
    torch.nn.init.zeros_(method.head.weight)
    torch.nn.init.zeros_(method.head.bias)
    assert method(coloured()).terms.total.item() == pytest.approx(math.log(77), rel=1e-5)


def test_colours_count_from_the_next_step_on_by_their_nearest_bin():
    method, images = colourisation(detail=1), coloured()
    images[0, 3] = lightness_alone(images[0, 3:4])[0]
    first = method(images).terms.total
    assert torch.equal(first, method(images).terms.total)
    method._waiting.pop()
    method.after_step(0.1)
    cells = torch.nn.functional.avg_pool2d(lab(images[0])[:, 1:], 4)
    nearest = torch.cdist(cells.permute(0, 2, 3, 1).reshape(-1, 2), method.bins).argmin(1).view(16, 4)
    expected = torch.bincount(nearest[torch.arange(16) != 3].flatten(), minlength=77)
    assert torch.equal(method.counts, expected)
    assert method.counts.sum() == 15 * 4
    assert method(images).terms.total.item() != pytest.approx(first.item(), rel=1e-4)


def test_evaluation_counts_nothing():
    method = colourisation().eval()
    method(coloured())
    method.after_step(0.5)
    assert not method.counts.any()


def test_h_is_blind_to_colour_and_the_target_is_not():
    method, images = colourisation(), coloured()
    gray = lightness_alone(images[0])
    torch.testing.assert_close(method.encoder(images[0]), method.encoder(gray), rtol=1e-3, atol=1e-4)
    assert (method(images).terms.align > 0).all()
    assert (method(gray[None]).terms.align == 0).all()


def striped(seed, batch=32):
    """Red where the stripes lie, blue where they stand; brightness and phase are drawn."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.randint(2, (batch, 1, 1, 1), generator=generator)
    stripes = ((torch.arange(8).view(1, 1, 8, 1) + phase) % 2).expand(-1, -1, -1, 8).float()
    lying = torch.arange(batch) % 2 == 0
    stripes[~lying] = stripes[~lying].mT
    gray = (0.3 + 0.5 * stripes) * (0.5 + 0.5 * torch.rand(batch, 1, 1, 1, generator=generator))
    tint = torch.where(lying[:, None], torch.tensor([1.0, 0.2, 0.1]), torch.tensor([0.2, 0.3, 1.0]))
    return (gray * tint[:, :, None, None])[None], lying


def test_colours_that_follow_from_the_shape_are_learnt():
    method = colourisation()
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for step in range(40):
        optimiser.zero_grad()
        method(striped(step)[0]).terms.total.backward()
        optimiser.step()
        method.after_step(step / 40)
    images, lying = striped(100)
    with torch.no_grad():
        found = torch.pixel_shuffle(method.head(method.encoder.maps(images[0])), 2).argmax(1)
    assert ((method.bins[found][..., 1] > 0) == lying[:, None, None]).float().mean() > 0.95


def test_parts_of_a_batch_give_the_gradient_and_the_counts_of_the_whole():
    whole, images = colourisation().double().eval(), coloured(dtype=torch.float64)
    whole.training = True  # batch norm stays in evaluation
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    assert "batch norm (encoder.trunk" in colourisation().accumulation_problem()
    for _ in range(2):
        whole.zero_grad()
        cut.zero_grad()
        whole(images).terms.total.backward()
        for part in images.chunk(4, dim=1):
            (cut(part).terms.total / 4).backward()
        for (key, p), q in zip(whole.named_parameters(), cut.parameters(), strict=True):
            torch.testing.assert_close(q.grad, p.grad, rtol=1e-9, atol=1e-12, msg=key)
        whole.after_step(0.5)
        cut.after_step(0.5)
        assert whole.counts.any()
        assert torch.equal(whole.counts, cut.counts)


def test_a_set_without_colours_is_refused():
    with pytest.raises(InputError, match=r"these images have 1 channel\(s\). Choose images in colour"):
        colourisation(build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8))
    method = colourisation()
    method(lightness_alone(coloured()[0])[None])
    with pytest.raises(InputError, match="not one image of the first step has a colour"):
        method.after_step(0.1)
    some = colourisation()
    images = coloured()
    some(images)
    some.after_step(0.1)
    some(lightness_alone(images[0])[None])  # a gray batch later is taken
    some.after_step(0.2)


def test_an_encoder_that_sees_colours_or_has_no_maps_is_refused():
    with pytest.raises(InputError, match=r"could read the colours off. Set encoder.gray to True"):
        colourisation(blind(gray=False))
    with pytest.raises(InputError, match="Flatten gives no maps"):
        colourisation(wrap_encoder(torch.nn.Flatten(), size=4, gray=True))


def test_a_vision_transformer_finds_colours_token_by_token():
    method = colourisation(blind("vit-tiny", patch=4, depth=1, heads=2))
    assert method(coloured()).h.shape == (1, 16, 12)


def test_looking_for_maps_leaves_the_encoder_as_it_was():
    fresh = blind()
    assert all(
        torch.equal(value, blind().state_dict()[key])
        for key, value in colourisation(fresh).encoder.state_dict().items()
    )
    assert all(module.training for module in fresh.modules())


@pytest.mark.parametrize(
    ("name", "said"), [("simclr-cifar", "ColorJitter, Grayscale"), ("ad", "ColorJitter"), ("crop-flip", "")]
)
def test_a_policy_that_changes_colours_is_refused(name, said):
    images = InMemoryImages(images=torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    policies = build_policy(PolicySettings(name=name), channels=3, size=8)
    if not said:
        assert image_views(colourisation(), policies, images, TrainingSettings())
        return
    with pytest.raises(InputError, match=rf"changes colours \({said}\).*Set policy.name to crop-flip"):
        image_views(colourisation(), policies, images, TrainingSettings())


def test_it_asks_for_one_view_and_refuses_several_groups():
    assert [group.count for group in colourisation().plan(5).groups] == [1]
    with pytest.raises(InputError, match="got 2 groups of views"):
        colourisation()(ViewBatch(groups=(coloured(), coloured()), ids=torch.arange(16)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": 2.0}, "grid must lie between 5 and 100; got 2"),
        ({"sigma": 0.0}, "sigma is 0"),
        ({"uniform": 0.0}, "uniform must lie above 0"),
        ({"detail": 0}, "detail and neighbours must be at least 1"),
        ({"grid": 60.0, "neighbours": 40}, "neighbours is 40; expected 1 to"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        colourisation(**changes)


def test_its_hints_name_its_own_settings():
    assert "bins are 60 wide" in ColourisationSettings(grid=60.0).hint("not learning", {}).cause
    assert "sigma 50" in ColourisationSettings(sigma=50.0).hint("not learning", {}).cause
    assert "weigh the same" in ColourisationSettings(uniform=1.0).hint("not learning", {}).cause
    assert ColourisationSettings().hint("not learning", {}) is None
