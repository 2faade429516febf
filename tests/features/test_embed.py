import pytest
import torch
from torch import nn

from contrascope.augment.policy import policy
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError
from contrascope.features.embed import embed, raw_pixels


class Tiny:
    """Seven grey 2x2 images with two label columns."""

    shape = (1, 2, 2)

    def __init__(self, count=7):
        source = torch.Generator().manual_seed(0)
        self.images = torch.randint(256, (count, 1, 2, 2), dtype=torch.uint8, generator=source)
        self.labels = {"label": torch.arange(count) % 2, "other": torch.arange(count)}

    def __len__(self):
        return len(self.images)

    def batches(self, order, batch_size, *, device):
        for ids in order.split(batch_size):
            yield ids.to(device), self.images[ids].to(device)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))


def test_embedding_is_the_network_in_evaluation_mode_on_clean_images():
    images, encoder, projector = Tiny(), network(), nn.Linear(3, 2)
    encoder[2].running_mean += 0.7
    encoder[1].eval()
    mean = encoder[2].running_mean.clone()
    out = embed(encoder, projector, images, batch_size=3)
    assert [part.training for part in encoder] == [True, False, True, True]
    assert torch.equal(encoder[2].running_mean, mean)
    encoder.eval()
    with torch.no_grad():
        h = encoder(images.images.float() / 255)
        torch.testing.assert_close(out.h, h[None])
        torch.testing.assert_close(out.z, projector(h)[None])
    assert out.ids.tolist() == list(range(7))
    assert out.labels("other").tolist() == list(range(7))
    assert not out.h.requires_grad


def test_the_modes_come_back_after_an_error():
    encoder = nn.Sequential(nn.Dropout(), nn.Identity())
    with pytest.raises(
        InputError, match=r"the encoder returned a tensor of shape \(7, 1, 2, 2\) for 7 images"
    ):
        embed(encoder, None, Tiny())
    assert encoder.training
    assert encoder[0].training


def test_another_batch_size_gives_the_same_features():
    encoder = network()
    torch.testing.assert_close(embed(encoder, None, Tiny(), batch_size=1).h, embed(encoder, None, Tiny()).h)


def test_raw_pixels_are_the_flattened_images():
    images = Tiny()
    assert torch.equal(raw_pixels(images).h[0], images.images.flatten(1).float() / 255)


def test_views_are_those_of_a_training_epoch_for_any_batch_size():
    images = Tiny()
    policies = policy("a", size=2), policy("d", size=2)
    views, _ = make_views(images.images, policies, ids=torch.arange(7), seed=4, epoch=5, num_views=3)
    out = embed(nn.Flatten(), None, images, policies=policies, num_views=3, seed=4, epoch=5, batch_size=5)
    assert torch.equal(out.h, views.flatten(2))
    other = embed(nn.Flatten(), None, images, policies=policies, num_views=3, seed=4, epoch=6)
    assert not torch.equal(out.h, other.h)


def test_a_set_of_the_data_room_is_embedded_with_its_labels():
    tiny = Tiny()
    images = InMemoryImages(images=tiny.images, labels=tiny.labels, name="tiny")
    out = embed(network(), None, images)
    assert torch.equal(out.h, embed(network(), None, tiny).h)
    assert out.primary == "label"
    assert out.labels("other").tolist() == list(range(7))


def test_embedding_refuses_what_makes_no_sense():
    with pytest.raises(InputError, match="num_views=2: clean images have one view"):
        embed(nn.Flatten(), None, Tiny(), num_views=2)
    with pytest.raises(InputError, match="the set of images is empty"):
        embed(nn.Flatten(), None, Tiny(0))
    with pytest.raises(InputError, match="the projector returned tuple"):
        embed(nn.Flatten(), type("Pair", (nn.Module,), {"forward": lambda self, h: (h, h)})(), Tiny())
