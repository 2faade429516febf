"""What every encoder is shown: the same images and views, of all classes, whatever their order in the set."""

import pytest
import torch
from torch import nn

from contrascope.augment.policy import Policy, policy
from contrascope.data.imageset import InMemoryImages
from contrascope.diagnosis.exhibits import (
    STANDARD_IMAGES,
    Networks,
    embed_views,
    exhibits,
    fixed_views,
    show,
)
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings

COLOURED = ["crop", "colour", "crop and colour", "affine"]


def drawn(count, side=8, channels=3):
    source = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, channels, side, side), generator=source)
    return InMemoryImages(images=pixels.to(torch.uint8))


@pytest.fixture(scope="module")
def images():
    return drawn(64)


def network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_encoder(EncoderSettings(name="convnet", width=4), channels=3, size=8).eval()


def test_views_are_the_same_for_every_subject_and_batch_size(images):
    one = fixed_views(images, policy("ade"), num_views=3, batch_size=64)
    other = fixed_views(images, policy("ade"), num_views=3, batch_size=7)
    assert torch.equal(one.images, other.images)
    assert one.images.shape == (3, 64, 3, 8, 8)
    assert one.equal == 0.0


def test_a_policy_that_changes_nothing_is_seen(images):
    assert fixed_views(images, Policy(ops=()), num_views=2).equal == 1.0


def test_views_of_some_images_are_those_of_all(images):
    chosen = torch.tensor([3, 10, 63])
    some = fixed_views(images, policy("ade"), num_views=2, chosen=chosen)
    every = fixed_views(images, policy("ade"), num_views=2)
    assert torch.equal(some.images, every.images[:, chosen])


def test_embeddings_do_not_depend_on_the_batch_and_leave_the_mode(images):
    encoder = network(0).train()
    views = fixed_views(images, policy("ade"), num_views=2)
    one, none = embed_views(Networks(encoder=encoder), views, batch_size=128)
    other, _ = embed_views(Networks(encoder=encoder), views, batch_size=10)
    torch.testing.assert_close(one, other)
    assert none is None
    assert encoder.training


def test_all_images_have_their_own_views_and_up_to_512_the_standard_ones(images):
    found = exhibits(images, policy("ade"), num_views=2)
    assert found.own.images.shape == (2, 64, 3, 8, 8)
    assert found.chosen.tolist() == list(range(64))
    assert list(found.standard) == COLOURED
    assert all(views.images.shape == (2, 64, 3, 8, 8) for views in found.standard.values())
    assert found.shuffled.images.shape == (1, 64, 3, 8, 8)
    assert found.count == 2 * 64 + 4 * 2 * 64 + 64
    assert found.own.statistics.shape == (2, 64, 7)


def test_of_a_set_in_the_order_of_its_classes_all_classes_are_chosen():
    found = exhibits(drawn(2000, side=2), Policy(ops=()), num_views=2)
    assert len(found.chosen) == STANDARD_IMAGES
    assert torch.equal(found.chosen, found.chosen.unique())  # rising, none twice
    of_class = torch.bincount(found.chosen // 200, minlength=10)
    assert of_class.min() > STANDARD_IMAGES / 10 / 2
    assert of_class.max() < STANDARD_IMAGES / 10 * 2
    for views in found.standard.values():
        assert views.images.shape[1] == STANDARD_IMAGES
    pixels = found.own.images[0, found.chosen].flatten(2).sort(dim=2).values
    mixed = found.shuffled.images[0].flatten(2).sort(dim=2).values
    assert torch.equal(pixels, mixed)


def test_another_seed_chooses_others_and_the_same_one_the_same():
    small = drawn(1100, side=2)
    one, same, other = (exhibits(small, Policy(ops=()), num_views=2, seed=seed).chosen for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_networks_make_of_them_has_the_rows_of_each(images):
    encoder, projector = network(0), nn.Linear(32, 5)
    found = exhibits(images, policy("ade"), num_views=2)
    heard = []
    shown = show(
        Networks(encoder=encoder, projector=projector), found, progress=lambda *done: heard.append(done)
    )
    dim = shown.h.shape[2]
    assert shown.h.shape == (2, 64, dim)
    assert shown.z.shape == (2, 64, 5)
    assert list(shown.standard) == COLOURED
    assert all(rows.shape == (2, 64, dim) for rows in shown.standard.values())
    assert shown.shuffled.shape == (64, dim)
    assert heard[-1] == (found.count, found.count)
    alone = embed_views(Networks(encoder=encoder), found.standard["crop"])[0]
    torch.testing.assert_close(shown.standard["crop"], alone)
