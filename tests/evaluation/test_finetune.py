import math

import pytest
import torch
from torch import nn

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError
from contrascope.evaluation import finetune as module
from contrascope.evaluation.finetune import Joined, LabelledImages, finetune, finetune_grid, point_name, right
from contrascope.evaluation.suites import FinetuneSettings
from contrascope.intervals import generator


def shades(count, seed=0):
    """Dark and bright gray pictures: one step of any sense learns them."""
    y = torch.arange(count) % 2
    noise = torch.randint(0, 60, (count, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    return LabelledImages(
        images=InMemoryImages(images=(noise + 160 * y[:, None, None, None]).to(torch.uint8)), y=y
    )


def encoder():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


SMALL = FinetuneSettings(steps=8, batch_size=8, rates=(1e-5, 0.1), decays=(0.0, 1e-3))


def test_it_learns_and_leaves_the_encoder_as_it_was():
    trunk = encoder()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    network = finetune(trunk, shades(32), 2, rate=0.1, decay=0.0, settings=SMALL)
    assert right(network, shades(20, seed=1)).all()
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert not torch.equal(network[0][0].weight, trunk[0].weight)


def test_each_step_is_that_of_sgd_written_out():
    """Nesterov momentum and decay by hand, cosine rate, keyed order and crops, float64 throughout."""
    train, steps, rate, decay = shades(10), 4, 0.05, 0.01
    chosen = FinetuneSettings(steps=steps, batch_size=5, seed=3)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    network = finetune(trunk, train, 2, rate=rate, decay=decay, settings=chosen)
    reference = finetune(trunk, train, 2, rate=1e-30, decay=0.0, settings=FinetuneSettings(steps=1, seed=3))
    reference.double()
    velocity = [torch.zeros_like(p) for p in reference.parameters()]
    policy = Policy(ops=(RandomResizedCrop(size=8), HorizontalFlip()))
    for step in range(steps):
        epoch, place = divmod(step, 2)
        order = torch.randperm(10, generator=generator(3, "finetune order", epoch))
        ids = order[5 * place : 5 * place + 5]
        views, _ = make_views(train.images.gather(ids), policy, ids=ids, seed=3, epoch=epoch, num_views=1)
        loss = nn.functional.cross_entropy(reference(views[0].double()), train.y[ids])
        slopes = torch.autograd.grad(loss, list(reference.parameters()))
        now = rate * (1 + math.cos(math.pi * step / steps)) / 2
        with torch.no_grad():
            for p, slope, v in zip(reference.parameters(), slopes, velocity, strict=True):
                slope = slope + decay * p
                v.mul_(0.9).add_(slope)
                p.sub_(now * (slope + 0.9 * v))
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p.double(), q, atol=1e-6, rtol=1e-5)


def test_the_best_point_is_chosen_on_validation_and_done_points_are_not_done_again(monkeypatch):
    runs, real = [], module.finetune

    def counted(*args, rate, decay, **more):
        runs.append((rate, decay))
        return real(*args, rate=rate, decay=decay, **more)

    monkeypatch.setattr(module, "finetune", counted)
    parts, noted = (shades(16), shades(8, seed=1), shades(10, seed=2)), {}
    whole = LabelledImages(
        images=Joined(parts[0].images, parts[1].images), y=torch.cat([parts[0].y, parts[1].y])
    )
    first = finetune_grid(encoder(), parts, whole, 2, metric="top1", settings=SMALL, note=noted.__setitem__)
    assert runs == [*SMALL.grid, (first.rate, first.decay)]
    assert first.rate == 0.1
    assert first.validation == max(noted.values()) == noted[point_name(first.rate, first.decay)]
    runs.clear()
    known = {name: score for name, score in noted.items() if "1e-05" in name}
    again = finetune_grid(encoder(), parts, whole, 2, metric="top1", settings=SMALL, known=known)
    assert runs == [(0.1, 0.0), (0.1, 1e-3), (first.rate, first.decay)]
    assert torch.equal(again.hits, first.hits)
    assert again.hits.shape == (10,)


def test_of_equal_points_the_first_is_taken():
    parts = (shades(8), shades(4), shades(4))
    known = dict.fromkeys((point_name(*point) for point in SMALL.grid), 0.5)
    found = finetune_grid(encoder(), parts, parts[0], 2, metric="top1", settings=SMALL, known=known)
    assert (found.rate, found.decay) == (1e-5, 0.0)


def test_diverged_weights_are_wrong_everywhere():
    network = finetune(encoder(), shades(8), 2, rate=0.1, decay=0.0, settings=SMALL)
    with torch.no_grad():
        network[1].weight.fill_(float("nan"))
    assert not right(network, shades(6)).any()


def test_the_grid_of_the_protocol_is_four_rates_by_five_decays():
    grid = FinetuneSettings().grid
    assert len(grid) == len(set(grid)) == 20
    assert {rate for rate, _ in grid} == {1e-4, 1e-3, 1e-2, 1e-1}
    assert {decay for _, decay in grid} == {0.0, 1e-6, 1e-5, 1e-4, 1e-3}


def test_wrong_settings_images_and_joins_are_refused():
    with pytest.raises(InputError, match="steps=0, batch_size=64; both are at least 1"):
        FinetuneSettings(steps=0)
    with pytest.raises(InputError, match="expected rates above 0"):
        FinetuneSettings(rates=())
    with pytest.raises(InputError, match="8 images with 3 labels"):
        LabelledImages(images=shades(8).images, y=torch.zeros(3, dtype=torch.int64))
    other = InMemoryImages(images=torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match="cannot be joined"):
        Joined(other, shades(8).images)
