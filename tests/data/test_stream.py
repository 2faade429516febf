import threading
import time

import datasets
import numpy as np
import pytest
import torch

from contrascope.data.arrow import ArrowSource, map_column
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.data.stream import StreamedImages
from contrascope.data.threads import bounded_map
from contrascope.errors import InputError


def opened(folder, **more):
    return open_images(DataSettings(source=str(folder), **more))


def test_streamed_and_held_sets_are_the_same(write_hub, pictures):
    folder = write_hub(pictures(30), label=[k % 3 for k in range(30)])
    held, streamed = opened(folder), opened(folder, memory_budget_mb=0)
    assert isinstance(streamed, StreamedImages)
    ids = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(held.gather(ids), streamed.gather(ids))
    assert torch.equal(held.gather(ids), torch.from_numpy(pictures(30)).permute(0, 3, 1, 2)[ids])
    assert torch.equal(held.y, streamed.y)
    assert held.fingerprint == streamed.fingerprint
    assert held.shape == streamed.shape == (3, 8, 8)
    for ours, theirs in zip(streamed.batches(ids, 8, start=2), held.batches(ids, 8, start=2), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_a_selection_of_a_stream_is_the_same_as_of_a_held_set(write_hub, pictures):
    folder = write_hub(pictures(10), label=list(range(10)))
    ids = torch.tensor([7, 2, 5])
    held, streamed = (
        opened(folder, memory_budget_mb=mb).select(ids).select(torch.tensor([2, 0])) for mb in (9, 0)
    )
    assert torch.equal(held.gather(torch.arange(2)), streamed.gather(torch.arange(2)))
    assert streamed.y.tolist() == held.y.tolist() == [5, 7]
    assert held.fingerprint == streamed.fingerprint


def test_resuming_decodes_no_skipped_image(write_hub, pictures, monkeypatch):
    images = opened(write_hub(pictures(20)), memory_budget_mb=0)
    read = []
    original = ArrowSource.read
    monkeypatch.setattr(ArrowSource, "read", lambda self, row: read.append(row) or original(self, row))
    batches = list(images.batches(torch.arange(20), 4, start=3))
    assert sorted(read) == list(range(12, 20))
    assert [ids.tolist() for ids, _ in batches] == [[12, 13, 14, 15], [16, 17, 18, 19]]


def test_a_broken_image_ends_the_epoch_with_its_row(write_hub, pictures, encoded):
    data = [encoded(image) for image in pictures(6)]
    data[4] = data[4][:100]
    images = opened(write_hub(data), memory_budget_mb=0)
    with pytest.raises(InputError, match=r"row 4 of column 'img' \(4.png\) is broken.*on_bad_image='skip'"):
        list(images.batches(torch.arange(6), 2))


@pytest.mark.parametrize("budget", [0, 10], ids=["streamed", "held"])
def test_broken_images_are_skipped_counted_and_listed(write_hub, pictures, encoded, budget):
    data = [encoded(image) for image in pictures(8)]
    data[0], data[5] = b"text", data[5][:90]
    images = opened(write_hub(data, label=list(range(8))), memory_budget_mb=budget, on_bad_image="skip")
    assert len(images) == 6
    assert images.y.tolist() == [1, 2, 3, 4, 6, 7]
    assert [bad.name.split(" row ")[1][0] for bad in images.bad_images] == ["0", "5"]
    assert "no image" in images.bad_images[0].reason
    expected = torch.from_numpy(pictures(8)).permute(0, 3, 1, 2)[images.y]
    assert torch.equal(images.gather(torch.arange(6)), expected)


@pytest.mark.parametrize("budget", [0, 10], ids=["streamed", "held"])
def test_mixed_sizes_ask_for_data_size(write_hub, pictures, budget):
    folder = write_hub([*pictures(3), *pictures(1, side=9)])
    with pytest.raises(InputError, match=r"row 3 .* has shape \(3, 9, 9\); expected \(3, 8, 8\).*data.size"):
        opened(folder, memory_budget_mb=budget)
    assert opened(folder, memory_budget_mb=budget, size=6).shape == (3, 6, 6)


def test_mapping_afresh_changes_no_image_and_happens(write_hub, pictures, monkeypatch):
    folder = write_hub(pictures(12))
    table = datasets.Dataset.from_parquet(str(folder / "train-00000-of-00001.parquet"))
    files = tuple(file["filename"] for file in table.cache_files)
    mapped = []
    monkeypatch.setattr(
        "contrascope.data.arrow.map_column", lambda *args: mapped.append(1) or map_column(*args)
    )
    source = ArrowSource(files, column="img", name="x", mapped_bytes=3 * 2**17)
    once = ArrowSource(files, column="img", name="x", mapped_bytes=2**40)
    assert [source.read(row) for row in range(12)] == [once.read(row) for row in range(12)]
    assert 4 <= len(mapped) <= 8


def test_the_map_in_threads_keeps_order_and_its_bound():
    running, most, lock = 0, 0, threading.Lock()

    def slow(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002 * (item % 3))
        with lock:
            running -= 1
        return item

    drawn = []
    items = (drawn.append(item) or item for item in range(30))
    results = bounded_map(slow, items, workers=2, ahead=3)
    assert next(results) == 0
    assert len(drawn) <= 4
    assert list(results) == list(range(1, 30))
    assert most == 2


def test_leaving_an_epoch_early_leaves_no_thread(write_hub, pictures):
    images = opened(write_hub(pictures(40)), memory_budget_mb=0, workers=2)
    batches = images.batches(torch.arange(40), 2)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_a_large_npy_streams_from_its_map(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
    np.save(tmp_path / "x.npy", values)
    images = opened(tmp_path / "x.npy", memory_budget_mb=0)
    assert isinstance(images, StreamedImages)
    assert torch.equal(images.gather(torch.tensor([3, 1]))[:, 0], torch.from_numpy(values[[3, 1]]))
