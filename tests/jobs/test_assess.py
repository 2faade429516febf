import pytest
import torch
from torch import nn

from contrascope.data.imageset import InMemoryImages
from contrascope.data.sampling import held_out
from contrascope.data.settings import DataSettings
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.assess import assess, evaluation_sets, fitted_protocol, knn_probe
from contrascope.methods.joint.simclr import SimCLR
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.training.probe import Finding


def encoder() -> nn.Module:
    torch.manual_seed(0)
    return build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)


@pytest.mark.parametrize("count", [2, 10, 1297])
def test_held_out_ids_and_the_rest_are_disjoint_complete_and_fixed(count):
    learn, kept = held_out(count, seed=3)
    assert sorted([*learn.tolist(), *kept.tolist()]) == list(range(count))
    assert len(kept) == max(1, round(0.2 * count))
    assert torch.equal(kept, held_out(count, seed=3)[1])


def test_the_test_split_is_used_where_there_is_one():
    train, test, split = evaluation_sets(DataSettings(source="digits"), Protocol())
    assert (len(train), len(test), split) == (1297, 500, "test")


def test_data_without_that_split_is_divided_and_says_so():
    train, test, split = evaluation_sets(DataSettings(source="digits"), Protocol(test_split="validation"))
    assert (len(train), len(test), split) == (1038, 259, "held-out")


def test_k_is_never_larger_than_half_the_training_images():
    assert fitted_protocol(Protocol(k=200), num_train=31, test_split="x").k == 15
    assert fitted_protocol(Protocol(k=5), num_train=31, test_split="x").k == 5
    assert fitted_protocol(Protocol(k=5), num_train=1, test_split="x").k == 1


def test_unlabelled_images_are_refused_with_the_reason():
    with pytest.raises(InputError, match="'digits' has no labels"):
        assess(encoder(), None, DataSettings(source="digits", labels="none"), Protocol())


@pytest.mark.filterwarnings("ignore:the linear probe stopped")
def test_the_table_has_the_encoder_beside_random_and_pixels_under_one_protocol():
    rows = assess(encoder(), None, DataSettings(source="digits"), Protocol(k=20), random_encoder=encoder())
    assert {row["of"] for row in rows} == {"trained encoder", "random encoder", "raw pixels"}
    assert {row["split"] for row in rows} == {"test"}
    assert len({row["protocol"] for row in rows}) == 1
    value = {(row["of"], row["name"]): row["value"] for row in rows}
    for name in {row["name"] for row in rows}:
        assert value["trained encoder", name] == pytest.approx(value["random encoder", name], abs=1e-9)
    assert 0.9 < value["raw pixels", "knn"] < 1.0
    for row in rows:
        assert 0.0 <= row["low"] <= row["value"] <= row["high"] <= 1.0


def test_the_probe_scores_held_out_images_and_there_is_none_without_labels():
    pixels = torch.zeros(60, 1, 8, 8, dtype=torch.uint8)
    y = torch.arange(60) % 2
    pixels[y == 1, :, :, :4] = 255
    settings = SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8))
    method = SimCLR(encoder(), settings)
    labelled, cpu = InMemoryImages(images=pixels, labels=y), torch.device("cpu")
    probe = knn_probe(labelled, Protocol(k=5), every=2, device=cpu)
    assert probe is not None
    assert probe(method, 1) is None
    assert probe(method, 2) == Finding(row={"knn_held_out": 1.0})
    assert knn_probe(labelled, Protocol(k=5), every=0, device=cpu) is None
    assert knn_probe(InMemoryImages(images=pixels), Protocol(k=5), every=1, device=cpu) is None
