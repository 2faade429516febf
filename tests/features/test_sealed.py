import random
from pathlib import Path

import pytest
import safetensors.torch
import torch

from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError
from contrascope.evaluation.augmented import Fit
from contrascope.exports.blueprint import load_encoder
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.records import empty
from contrascope.records.suites import AugmentedRecord
from contrascope.runs.feature_store import FeatureStore
from contrascope.runs.store import OpenRecord
from contrascope.suites.parts import Parts


def flip(path, seed):
    """One bit behind the length of the header is another one."""
    content = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(64, 8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(content))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_of_a_sealed_file_is_noticed(tmp_path, seed):
    path = tmp_path / "a.safetensors"
    tensors = {
        "h": torch.arange(12.0).reshape(3, 4),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "y": torch.arange(3),
        "none": torch.zeros(0, 2),
        "one": torch.tensor(2.5),
    }
    save_sealed(tensors, path, {"0": "label"})
    assert same(read_sealed(path, needed=True)[0], tensors)
    flip(path, seed)
    try:
        found, words = read_sealed(path, needed=True)
    except (InputError, safetensors.SafetensorError, UnicodeDecodeError):
        return
    assert same(found, tensors)  # a blank of the header
    assert words == {"0": "label"}


def test_embeddings_from_elsewhere_need_no_seal(tmp_path):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"h": torch.ones(3, 2)}, path)
    assert load_features(path).h.shape == (1, 3, 2)
    with pytest.raises(InputError, match="carries no checksum"):
        load_features(path, sealed=True)


def changed(path):
    """The last bit of the last tensor."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_a_file_of_embeddings_that_changed_is_refused(tmp_path):
    features = Features(h=torch.ones(1, 4, 3), z=None, y={"label": torch.arange(4)}, ids=torch.arange(4))
    path = save_features(features, tmp_path / "a.safetensors")
    assert load_features(path).labels().tolist() == [0, 1, 2, 3]
    changed(path)
    with pytest.raises(InputError, match="is damaged: its content is not what was written"):
        load_features(path)


def test_kept_features_that_changed_are_made_anew(tmp_path):
    images = InMemoryImages(images=torch.arange(256).to(torch.uint8).reshape(4, 1, 8, 8), labels={})
    store = FeatureStore(folder=tmp_path / "features")
    first = store.embed(torch.nn.Flatten(), images)
    (path,) = (tmp_path / "features").glob("*.safetensors")
    before = path.read_bytes()
    changed(path)
    assert torch.equal(store.embed(torch.nn.Flatten(), images).h, first.h)
    assert path.read_bytes() == before


def test_a_probe_that_changed_is_made_anew(tmp_path):
    record = empty(AugmentedRecord)
    parts = Parts(of="x", record=OpenRecord(path=tmp_path / "r.json", content=record))
    made = []

    def make():
        made.append(1)
        weight, h = torch.ones(2, 2), torch.ones(2, 2)
        return Fit(name="a", weight=weight, bias=torch.ones(2), h=h, y=torch.arange(2), norm=1.0, chosen=0.5)

    parts.fit("a", make)
    parts.fit("a", make)
    assert len(made) == 1
    changed(next(Path(tmp_path).rglob("*.safetensors")))
    assert parts.fit("a", make).chosen == 0.5
    assert len(made) == 2


def test_an_exported_encoder_that_changed_is_refused(suite_run, tmp_path):
    folder = export_run(suite_run, ExportSettings(to="safetensors"), out=tmp_path / "out").path
    assert load_encoder(folder).dim > 0
    changed(folder / "model.safetensors")
    with pytest.raises(InputError, match="is damaged"):
        load_encoder(folder)
