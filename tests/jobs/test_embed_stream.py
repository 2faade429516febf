"""Shards hold the rows of one pass, whatever was killed or damaged on the way."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from contrascope.data.imageset import InMemoryImages
from contrascope.data.settings import DataSettings
from contrascope.data.stream import StreamedImages
from contrascope.errors import InputError
from contrascope.features.files import load_features
from contrascope.features.shards import shards_of
from contrascope.jobs import embed_stream
from contrascope.jobs.embed import embed_anything, embed_to_file
from contrascope.jobs.embed_stream import WORK, embed_to_shards
from contrascope.subjects.open import open_subject

embedding = import_module("contrascope.features.embed")


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(embedding, "BATCH", 16)


def images(count=100, **more):
    pixels = torch.randint(256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    labels = {"kind": torch.arange(count) % 3, "other": torch.arange(count)}
    names = {"kind": ("ant", "bee", "cow")}
    return InMemoryImages(images=pixels.to(torch.uint8), labels=labels, class_names=names, **more)


def test_a_new_folder_that_is_refused_before_its_first_shard_is_not_left(tmp_path):
    def refused(stream, out, missing, progress):
        raise InputError("no cluster")

    with pytest.raises(InputError, match="no cluster"):
        embed_to_shards(network(), images(), tmp_path / "new", rows=20, finish=refused)
    assert list(tmp_path.iterdir()) == []
    there = embed_to_shards(network(), images(), tmp_path / "there", rows=20)
    next(there.glob("part-*")).unlink()
    before = shards_in(there)
    with pytest.raises(InputError, match="no cluster"):
        embed_to_shards(network(), images(), there, rows=20, finish=refused)
    assert shards_in(there) == before
    assert (there / WORK).is_dir()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 6))


def shards_in(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_shards_joined_are_the_one_file_bit_for_bit(tmp_path):
    networks = network(), nn.Linear(6, 3)
    one = embed_to_file(networks, images(), tmp_path / "one.parquet")
    many = embed_to_shards(networks, images(), tmp_path / "many", rows=20)  # 32: whole batches
    assert sorted(shards_in(many)) == [shard.name for shard in shards_of(100, 32)]
    assert pq.read_table(many).equals(pq.read_table(one))  # what is no shard is passed over
    whole = embed_anything(networks, images())
    found = load_features(many)
    assert torch.equal(found.h, whole.h)
    assert found.z is not None
    assert torch.equal(found.z, whole.z)
    assert found.names == whole.names
    assert found.y["kind"].tolist() == whole.y["kind"].tolist()
    assert open_subject(str(many)).origin.kind == "file"


def test_a_column_has_one_type_in_all_shards_though_one_lacks_its_classes(tmp_path):
    some = images(64)
    some.labels["kind"][32:] = -1
    folder = embed_to_shards(network(), some, tmp_path / "f", rows=32)
    assert pq.read_table(folder).column("kind_name").to_pylist()[30:34] == ["ant", "bee", None, None]


def test_asked_again_it_writes_what_is_missing_or_damaged_and_nothing_else(tmp_path):
    folder = embed_to_shards(network(), images(), tmp_path / "f", rows=16)
    before = shards_in(folder)
    names = sorted(before)
    (folder / names[1]).unlink()
    (folder / names[3]).write_bytes(before[names[3]][:-9])
    pq.write_table(pq.read_table(folder / names[4]).slice(0, 5), folder / names[4])
    (folder / f".{names[1]}.1234.part").write_bytes(b"half")
    kept = {name: (folder / name).stat().st_mtime_ns for name in (names[0], *names[5:], names[2])}
    said, told = [], []
    embed_to_shards(
        network(),
        images(),
        folder,
        rows=16,
        say=said.append,
        progress=lambda done, total: told.append((done, total)),
    )
    assert shards_in(folder) == before
    assert all((folder / name).stat().st_mtime_ns == time_ for name, time_ in kept.items())
    assert not list(folder.glob(".part*"))
    assert said == [f"52 of 100 images are embedded in {folder}; going on with the others."]
    assert told == [(68, 100), (84, 100), (100, 100)]
    said.clear()
    embed_to_shards(network(), images(), folder, rows=16, say=said.append)
    assert said == [f"100 of 100 images are embedded in {folder}; nothing is left to do."]


def test_other_networks_images_or_shards_are_refused_and_change_nothing(tmp_path):
    folder = embed_to_shards(network(), images(), tmp_path / "f", rows=16)
    before = shards_in(folder)
    other = network()
    other[2].weight.data += 1
    for thing, data, rows, said in [
        (other, images(), 16, r"of\.encoder"),
        (network(), images(99), 16, r"of\.count: 100 -> 99"),
        (network(), images(), 32, r"settings\.rows: 16 -> 32"),
    ]:
        with pytest.raises(InputError, match=said):
            embed_to_shards(thing, data, folder, rows=rows)
    assert shards_in(folder) == before


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("kept")
    with pytest.raises(InputError, match=r"holds thesis\.txt and is no folder of features"):
        embed_to_shards(network(), images(), mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is no folder of features"):
        embed_to_shards(network(), images(), mine / "thesis.txt")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / WORK).symlink_to(mine)
    with pytest.raises(InputError, match="is a link"):
        embed_to_shards(network(), images(), tmp_path / "linked")


def test_numbers_that_are_none_end_it_and_no_half_written_file_stays(tmp_path):
    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.left = 3

        def forward(self, x):
            self.left -= 1
            return x.flatten(1) * (float("nan") if self.left < 0 else 1)

    with pytest.raises(InputError, match=r"h\[0\]"):
        embed_to_shards(Breaks(), images(), tmp_path / "f", rows=32)
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [WORK, shards_of(100, 32)[0].name]


def test_a_folder_that_lacks_a_shard_is_not_read_as_if_it_were_whole(tmp_path):
    folder = embed_to_shards(network(), images(), tmp_path / "f", rows=32)
    (folder / shards_of(100, 32)[2].name).unlink()
    with pytest.raises(InputError, match="3 of 4 shards; expected all"):
        load_features(folder)
    pq.write_table(pa.table({"h": [[1.0]]}), folder / "part-00000-of-00009.parquet")
    with pytest.raises(InputError, match="shards of 2 sets"):
        load_features(folder)


def test_images_of_files_are_decoded_as_they_come_and_have_the_rows_of_one_file(tmp_path, monkeypatch):
    source = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "pictures" / f"{number % 2}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    data = DataSettings(source=str(tmp_path / "pictures"))
    monkeypatch.setattr(embed_stream, "AHEAD_MB", 0)  # as for sets of more than that
    assert isinstance(embed_stream.open_stream("convnet", data, device="cpu").subject.images, StreamedImages)
    many = embed_to_shards("convnet", data, tmp_path / "many", rows=16, device="cpu")
    one = embed_to_file("convnet", data, tmp_path / "one.parquet", device="cpu")
    assert pq.read_table(many).equals(pq.read_table(one))
    assert pq.read_table(many).column("name").to_pylist()[:2] == ["0/000.png", "0/002.png"]


def test_memory_of_a_batch_does_not_grow_with_the_side_of_the_images():
    most = {side: embedding.batch_for((3, side, side), "cpu") * 3 * side**2 for side in (64, 224, 500)}
    assert max(most.values()) <= max(embedding.AT_ONCE, embedding.LEAST_BATCH * 3 * 500**2)


SLOWLY = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[2])
from test_embed_stream import embedding, images, network
from contrascope.jobs.embed_stream import embed_to_shards
embedding.BATCH = 16
slow = network()
slow[0].register_forward_hook(lambda *_: time.sleep(0.05))
embed_to_shards(slow, images(400), Path(sys.argv[1]), rows=32)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_twice_leaves_whole_shards_and_the_rest_has_the_same_bits(tmp_path):
    torn, counts = tmp_path / "torn", []
    for least in (2, 5):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOWLY, str(torn), str(Path(__file__).parent)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        deadline = time.monotonic() + 120
        while len(list(torn.glob("part-*"))) < least and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        counts.append(len(list(torn.glob("part-*"))))
    assert 2 <= counts[0] < 5 <= counts[1] < 13
    assert all(pq.read_metadata(path).num_rows == 32 for path in torn.glob("part-*"))
    embed_to_shards(network(), images(400), torn, rows=32)
    whole = embed_to_shards(network(), images(400), tmp_path / "whole", rows=32)
    assert shards_in(torn) == shards_in(whole)
    assert len(shards_in(torn)) == 13
