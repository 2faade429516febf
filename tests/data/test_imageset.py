import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError


def numbered(count: int, **more) -> InMemoryImages:
    """Image k has the value k everywhere."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 2, 2).clone()
    return InMemoryImages(images=images, **more)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(count=st.integers(1, 20), size=st.integers(1, 7), start=st.integers(0, 4), seed=st.integers(0, 99))
def test_batches_follow_the_order_and_start_where_told(count, size, start, seed):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    batches = list(numbered(count).batches(order, size, start=start))
    assert all(images[:, 0, 0, 0].tolist() == ids.tolist() for ids, images in batches)
    assert [i for ids, _ in batches for i in ids.tolist()] == order[start * size :].tolist()


def test_a_tensor_of_labels_is_the_column_label():
    images = numbered(3, labels=torch.tensor([2, 0, 1], dtype=torch.int32))
    assert images.label_column == "label"
    assert images.y.tolist() == [2, 0, 1]
    assert images.y.dtype == torch.int64


def test_without_labels_y_is_none():
    images = numbered(2)
    assert images.y is None
    assert images.label_column is None


def test_the_first_label_column_is_primary():
    assert numbered(2, labels={"fine": torch.tensor([5, 6]), "coarse": torch.tensor([0, 1])}).y.tolist() == [
        5,
        6,
    ]


def test_selecting_keeps_images_labels_and_factors_together():
    whole = numbered(5, labels=torch.arange(5) * 10, factors={"x": torch.arange(5) / 10})
    part = whole.select(torch.tensor([4, 1]))
    assert part.images[:, 0, 0, 0].tolist() == [4, 1]
    assert part.y.tolist() == [40, 10]
    assert torch.equal(part.factors["x"], torch.tensor([0.4, 0.1]))
    assert part.fingerprint != whole.fingerprint
    assert part.to("cpu").fingerprint == part.fingerprint


def test_the_fingerprint_sees_one_pixel_and_one_label():
    base = numbered(3, labels=torch.tensor([0, 1, 1]))
    pixel = InMemoryImages(images=base.images.clone(), labels=base.labels)
    assert pixel.fingerprint == base.fingerprint
    changed = base.images.clone()
    changed[2, 0, 1, 1] += 1
    assert InMemoryImages(images=changed, labels=base.labels).fingerprint != base.fingerprint
    assert numbered(3, labels=torch.tensor([0, 1, 0])).fingerprint != base.fingerprint


def test_labels_of_another_length_are_refused():
    with pytest.raises(InputError, match=r"'label' of tensor has 2 entries for 3 images.*Cut or complete"):
        numbered(3, labels=torch.tensor([0, 1]))


def test_ids_outside_the_set_are_refused():
    with pytest.raises(InputError, match=r"ids 1 to 3; expected ids of this set, 0 to 2"):
        list(numbered(3).batches(torch.tensor([3, 1]), 2))
    with pytest.raises(InputError, match="batch_size is 0"):
        list(numbered(3).batches(torch.arange(3), 0))
