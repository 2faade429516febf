import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.exports.measure import Measured, image_table, measure_images

POLICIES = build_policy(PolicySettings(name="simclr-cifar"), channels=3, size=8)


def test_alignment_is_the_mean_squared_distance_of_all_pairs_of_views(make_encoder, make_set):
    encoder, images = make_encoder(width=4, size=8), make_set()
    found = measure_images(encoder, images, POLICIES, epoch=3, num_views=3, seed=5)
    ids = torch.arange(len(images))
    views, _ = make_views(images.gather(ids), POLICIES, ids=ids, seed=5, epoch=3, num_views=3)
    with torch.no_grad():
        h = torch.stack([encoder(view) for view in views]).double()
        clean = encoder(images.gather(ids).float() / 255)
    torch.testing.assert_close(found.h, clean, rtol=1e-5, atol=1e-6)
    for place in range(len(images)):
        pairs = []
        for one in range(3):
            for other in range(one):
                a, b = (h[view, place] / h[view, place].norm() for view in (one, other))
                pairs.append(float(((a - b) ** 2).sum()))
        assert float(found.alignment[place]) == pytest.approx(sum(pairs) / 3, abs=1e-6)


@given(batch=st.integers(1, 9))
@settings(derandomize=True, deadline=None, max_examples=5)
def test_the_size_of_a_batch_changes_nothing(batch):
    encoder, images = _fixed()
    whole = measure_images(encoder, images, POLICIES, epoch=0)
    parts = measure_images(encoder, images, POLICIES, epoch=0, batch_size=batch)
    torch.testing.assert_close(parts.h, whole.h, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.alignment, whole.alignment, rtol=1e-5, atol=1e-6)


def _fixed():
    from torch import nn

    from contrascope.data.imageset import InMemoryImages
    from contrascope.encoders.build import wrap_encoder

    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        encoder = wrap_encoder(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()), size=8)
    source = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (7, 3, 8, 8), generator=source, dtype=torch.uint8)
    return encoder, InMemoryImages(images=pixels)


def test_progress_counts_images_and_the_mode_of_the_encoder_is_kept(make_encoder, make_set):
    encoder, told = make_encoder(width=4, size=8).train(), []
    measure_images(
        encoder,
        make_set(),
        POLICIES,
        epoch=0,
        batch_size=3,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert encoder.training


def test_neighbours_are_the_others_by_cosine_and_never_the_image_itself(make_set):
    h = torch.tensor([[1.0, 0.0], [2.0, 0.2], [0.0, 1.0], [-1.0, 0.0]])
    measured = Measured(h=h, alignment=torch.zeros(4))
    table = image_table(make_set(4), "train", measured, torch.zeros(4, 2), neighbours=15)
    assert table.near.index.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    assert float(table.near.value[0, 0]) == pytest.approx(2 / (4.04**0.5))


def test_one_image_no_neighbour_and_nan_are_refused(make_encoder, make_set):
    with pytest.raises(InputError, match="has 1 image; a table with neighbours needs at least 2"):
        measure_images(make_encoder(width=4, size=8), make_set(1), POLICIES, epoch=0)
    measured = Measured(h=torch.eye(7), alignment=torch.zeros(7))
    with pytest.raises(InputError, match="neighbours is 0; expected at least 1"):
        image_table(make_set(), "train", measured, torch.zeros(7, 2), neighbours=0)
    broken = make_encoder(width=4, size=8)
    next(broken.trunk.parameters()).data.fill_(float("nan"))
    with pytest.raises(
        InputError, match="encoder output of images from 0 on: row 0 holds a non-finite value"
    ):
        measure_images(broken, make_set(), POLICIES, epoch=0)
