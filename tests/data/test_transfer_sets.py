import numpy as np
import pytest
import torch

from contrascope.data.settings import DataSettings
from contrascope.data.transfer_sets import (
    HELD_OUT,
    TRANSFER_SETS,
    TransferSet,
    find_transfer_set,
    open_transfer_set,
)
from contrascope.errors import InputError


def arrays(path, **splits):
    rng = np.random.default_rng(0)
    held = {}
    for split, count in splits.items():
        held[f"{split}_images"] = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        held[f"{split}_labels"] = np.arange(count) % 4
    np.savez(path, **held)
    return str(path)


def test_the_nine_sets_have_the_metrics_and_class_counts_of_the_protocol():
    facts = {name: (one.metric, one.classes) for name, one in TRANSFER_SETS.items()}
    assert facts == {
        "aircraft": ("mean_per_class", 100),
        "caltech101": ("mean_per_class", 102),
        "cars": ("top1", 196),
        "cifar10": ("top1", 10),
        "cifar100": ("top1", 100),
        "dtd": ("top1", 47),
        "flowers": ("mean_per_class", 102),
        "food": ("top1", 101),
        "pets": ("mean_per_class", 37),
    }
    assert {name for name, one in TRANSFER_SETS.items() if one.validation} == {"aircraft", "dtd", "flowers"}


@pytest.mark.parametrize(
    ("text", "source", "label", "metric"),
    [
        ("some/set", "some/set", None, "top1"),
        ("/data/birds/@kind", "/data/birds/", "kind", "top1"),
        ("birds@kind@mean", "birds", "kind", "mean_per_class"),
        ("birds@@mean", "birds", None, "mean_per_class"),
    ],
)
def test_any_other_set_is_written_with_its_column_and_metric(text, source, label, metric):
    one = find_transfer_set(text)
    assert (one.source, one.label, one.metric) == (source, label, metric)
    assert one.name in ("set", "birds")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a@b@c@d", "is not understood"), ("@b", "is not understood"), ("a@b@median", "no metric")],
)
def test_a_set_that_cannot_be_read_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        find_transfer_set(text)


def test_a_set_with_three_splits_keeps_its_validation_split(tmp_path):
    source = arrays(tmp_path / "a.npz", train=12, validation=8, test=4)
    found = open_transfer_set(TransferSet(name="a", source=source), DataSettings())
    assert (len(found.train), len(found.validation), len(found.test), found.split) == (12, 8, 4, "test")


def test_a_set_without_a_test_split_is_tested_on_validation_and_says_so(tmp_path):
    source = arrays(tmp_path / "a.npz", train=12, val=8)
    found = open_transfer_set(TransferSet(name="a", source=source), DataSettings())
    assert (len(found.train), found.validation, len(found.test), found.split) == (12, None, 8, "val")


def test_a_set_with_training_images_only_is_tested_on_a_fixed_fifth(tmp_path):
    source = arrays(tmp_path / "a.npz", train=20)
    first, again = (open_transfer_set(TransferSet(name="a", source=source), DataSettings()) for _ in range(2))
    assert (len(first.train), len(first.test), first.split) == (16, 4, HELD_OUT)
    assert torch.equal(first.test.gather(torch.arange(4)), again.test.gather(torch.arange(4)))
    other = open_transfer_set(TransferSet(name="a", source=source), DataSettings(seed=1))
    assert not torch.equal(first.test.gather(torch.arange(4)), other.test.gather(torch.arange(4)))


def test_splits_that_are_named_are_used_and_checked(tmp_path):
    source = arrays(tmp_path / "a.npz", train=12, validation=8, test=4)
    named = TransferSet(name="a", source=source, train="validation", test="train")
    found = open_transfer_set(named, DataSettings())
    assert (len(found.train), found.validation, len(found.test)) == (8, None, 12)
    with pytest.raises(InputError, match="has no split 'tset'"):
        open_transfer_set(TransferSet(name="a", source=source, test="tset"), DataSettings())


def test_a_missing_column_is_named_as_it_was_typed_with_those_there_are(tmp_path):
    source = arrays(tmp_path / "a.npz", train=12, test=8)
    with pytest.raises(InputError) as caught:
        open_transfer_set(find_transfer_set(f"{source}@lables@mean"), DataSettings())
    text = str(caught.value)
    assert text.startswith(f"'{source}@lables' names the column 'lables', which {source}")
    assert "expected one of labels" in text
    assert text.endswith("Did you mean 'labels'?")


def test_the_wrong_number_of_classes_and_no_labels_are_refused(tmp_path):
    source = arrays(tmp_path / "a.npz", train=12, test=8)
    with pytest.raises(InputError, match="has 4 classes in 'labels'; a has 37"):
        open_transfer_set(TransferSet(name="a", source=source, classes=37), DataSettings())
    np.savez(tmp_path / "b.npz", images=np.zeros((5, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="has no labels; transfer is measured with some"):
        open_transfer_set(TransferSet(name="b", source=str(tmp_path / "b.npz")), DataSettings())
