import time

import datasets
import huggingface_hub
import numpy as np
import pytest
import torch

from contrascope.data import hub_reach
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def opened(folder, **more):
    return open_images(DataSettings(source=str(folder), **more))


def test_class_names_come_from_the_class_label_feature(write_hub, pictures):
    names = datasets.ClassLabel(names=["frog", "ant", "cow"])
    images = opened(write_hub(pictures(3), label=[2, 0, 0], features={"label": names}))
    assert images.y.tolist() == [2, 0, 0]
    assert images.class_names == {"label": ("frog", "ant", "cow")}


def test_two_label_columns_are_both_found_and_either_can_be_primary(write_hub, pictures):
    features = {
        "fine_label": datasets.ClassLabel(names=["a", "b", "c"]),
        "coarse_label": datasets.ClassLabel(names=["x", "y"]),
    }
    folder = write_hub(pictures(3), fine_label=[0, 2, 1], coarse_label=[1, 0, 1], features=features)
    assert list(opened(folder).labels) == ["fine_label", "coarse_label"]
    coarse = opened(folder, labels="coarse_label, fine_label")
    assert coarse.y.tolist() == [1, 0, 1]
    assert list(coarse.labels) == ["coarse_label", "fine_label"]
    assert list(opened(folder, labels="fine_label").labels) == ["fine_label"]
    assert opened(folder, labels="none").y is None


def test_plain_strings_are_indexed_alike_in_every_split(write_hub, pictures):
    write_hub(pictures(3), "train", label=["cow", "ant", "bee"])
    folder = write_hub(pictures(2, seed=1), "validation", label=["cow", "bee"])
    assert opened(folder).y.tolist() == [2, 0, 1]
    held_out = opened(folder, split="validation")
    assert held_out.y.tolist() == [2, 1]
    assert held_out.class_names["label"] == ("ant", "bee", "cow")


def test_all_joins_the_splits_in_the_order_of_their_names(write_hub, pictures):
    write_hub(pictures(3), "train", label=[0, 1, 2])
    folder = write_hub(pictures(2, seed=1), "test", label=[2, 0])
    images = opened(folder, split="all")
    expected = np.concatenate([pictures(2, seed=1), pictures(3)]).transpose(0, 3, 1, 2)
    assert torch.equal(images.gather(torch.arange(5)), torch.from_numpy(expected))
    assert images.y.tolist() == [2, 0, 0, 1, 2]


def test_the_shards_of_a_split_are_joined(write_hub, pictures):
    folder = write_hub(pictures(2), label=[0, 1])
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00000-of-00002.parquet")
    write_hub(pictures(2, seed=1), label=[1, 0])
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00001-of-00002.parquet")
    assert opened(folder).y.tolist() == [0, 1, 1, 0]


def test_labels_that_are_minus_one_throughout_are_no_labels(write_hub, pictures):
    assert (
        opened(write_hub(pictures(2), label=[-1, -1], features={"label": datasets.ClassLabel(3)})).y is None
    )
    some = write_hub(pictures(2), label=[-1, 1], features={"label": datasets.ClassLabel(3)}, folder="some")
    with pytest.raises(InputError, match=r"'label' .* lacks 1 of 2 labels.*'none'"):
        opened(some)
    assert len(opened(some, labels="none")) == 2


def test_a_missing_split_is_named_with_those_there_are(write_hub, pictures):
    write_hub(pictures(1), "validation")
    with pytest.raises(
        InputError, match=r"no split 'valid'; .*train, validation, all.*Did you mean 'validation'"
    ):
        opened(write_hub(pictures(1)), split="valid")


def test_a_missing_column_is_named_with_those_there_are(write_hub, pictures):
    folder = write_hub(pictures(1), label=[0])
    with pytest.raises(InputError, match=r"data.labels names the column 'lable'.*img, label.*mean 'label'"):
        opened(folder, labels="lable")
    with pytest.raises(InputError, match=r"data.image_column names the column 'image'.*Did you mean 'img'"):
        opened(folder, image_column="image")
    with pytest.raises(InputError, match=r"no image column label; expected encoded pictures"):
        opened(folder, image_column="label")


def test_missing_or_real_valued_labels_are_refused(write_hub, pictures):
    with pytest.raises(InputError, match=r"'label' .* has float64 values.*'none'"):
        opened(write_hub(pictures(2), label=[0.5, 1.5]))
    with pytest.raises(InputError, match=r"'label' .* has object values"):
        opened(write_hub(pictures(2), label=["a", None], folder="holes"))


def test_a_broken_parquet_file_is_named(write_hub, pictures):
    folder = write_hub(pictures(2))
    (folder / "train-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"train-00000-of-00001.parquet is no whole Parquet file.*again"):
        opened(folder)


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "hub").mkdir()
    features = datasets.Features({"img": datasets.Image()})
    datasets.Dataset.from_dict({"img": []}, features=features).to_parquet(tmp_path / "hub" / "train.parquet")
    with pytest.raises(InputError, match=r"no image that can be read \(the set is empty\)|could not be read"):
        opened(tmp_path / "hub")


def test_two_configurations_ask_for_one(write_hub, pictures):
    write_hub(pictures(1), folder="a")
    root = write_hub(pictures(1), folder="b").parent
    with pytest.raises(InputError, match=r"Parquet files in 2 folders.*Open one of .*a, .*b"):
        opened(root)


@pytest.fixture
def answering(monkeypatch):
    """A hub that answers, without a network."""
    monkeypatch.setattr(hub_reach, "hub_answers", lambda: True)


@pytest.mark.usefixtures("answering")
def test_a_name_of_the_hub_goes_through_datasets(write_hub, pictures, monkeypatch):
    folder = write_hub(pictures(3), label=["b", "a", "b"])
    table = datasets.Dataset.from_parquet(str(folder / "train-00000-of-00001.parquet"))
    asked = []

    def load_dataset(*args, **more):
        asked.append(args)
        return datasets.DatasetDict({"train": table})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    images = opened("someone/pets:small")
    assert asked == [("someone/pets", "small")]
    assert images.y.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"someone/pets has no split 'test'"):
        opened("someone/pets", split="test")


@pytest.mark.usefixtures("answering")
def test_without_the_network_a_hub_name_says_so(monkeypatch):
    def load_dataset(*args, **more):
        raise ConnectionError("couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=r"'someone/pets' .*couldn't reach.*offline, give a local folder"):
        opened("someone/pets")


class Client:
    """Answers a request, or fails as often as it is told to."""

    def __init__(self, failures):
        self.failures, self.asked = failures, []

    def head(self, url, *, timeout):
        self.asked.append((url, timeout))
        if len(self.asked) <= self.failures:
            raise OSError("no route to host")


@pytest.mark.parametrize(("failures", "answers", "asked"), [(0, True, 1), (1, True, 2), (9, False, 2)])
def test_the_hub_is_asked_twice_at_most(failures, answers, asked, monkeypatch):
    client = Client(failures)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_reach, "get_session", lambda: client)
    monkeypatch.setattr(hub_reach, "PAUSE", 0.0)
    assert hub_reach.hub_answers() is answers
    assert len(client.asked) == asked
    assert client.asked[0] == (huggingface_hub.constants.ENDPOINT, hub_reach.SECONDS)


@pytest.mark.parametrize("answers", [True, False])
def test_only_a_hub_that_does_not_answer_leaves_the_cache_alone(answers, monkeypatch):
    seen = []

    def load_dataset(*args, **more):
        seen.append(datasets.config.HF_HUB_OFFLINE)
        raise ConnectionError("nothing here")

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub_reach, "hub_answers", lambda: answers)
    with pytest.raises(InputError, match="nothing here"):
        opened("someone/pets")
    assert seen == [not answers]
    assert datasets.config.HF_HUB_OFFLINE is False


def test_where_offline_is_set_nothing_is_asked(monkeypatch):
    client = Client(0)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub_reach, "get_session", lambda: client)
    assert hub_reach.hub_answers() is False
    assert client.asked == []


def test_a_wrong_name_of_the_hub_fails_within_seconds():
    start = time.monotonic()
    with pytest.raises(InputError, match="no-such-owner-7531/no-such-set' is no file or folder here"):
        opened("no-such-owner-7531/no-such-set")
    assert time.monotonic() - start < 15
