"""The geometry of a run: its record, its probe rows, its command, and the page's figures."""

import json
from dataclasses import replace

import pytest

from contrascope import records
from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import GeometryProbeSettings, GeometrySettings, MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.reports.load import load
from contrascope.reports.sections import SECTIONS, fill
from contrascope.runs.recipes import digits_simclr
from contrascope.subjects.geometry import measure_anything
from contrascope.training.settings import TrainingSettings

FEW = ["--images", "64", "--points", "8", "--draws", "20"]


def tiny(**probe):
    return replace(
        digits_simclr(),
        encoder=EncoderSettings(name="convnet", width=2),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(), out=8)),
        training=TrainingSettings(epochs=2, batch_size=256),
        data=DataSettings(source="digits", labels="digit"),
        monitor=MonitorSettings(times=0),
        protocol=Protocol(probes=("knn",), k=5),
        geometry=GeometryProbeSettings(**{"times": 2, "images": 64, **probe}),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    train(tiny(), out)
    return out


def probes(run):
    return [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == "probe"]


def test_a_run_follows_its_geometry(run):
    rows = probes(run)
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        assert row["geometry_bound"] > row["geometry_loss"]
        assert 1 <= row["geometry_rank"] <= 8
        assert 0 <= row["geometry_sharing_digit"] <= 1
        assert 0 <= row["geometry_removed_rotation"] <= 1
        assert 0 <= row["geometry_seen_crop"] <= 1
        assert not any("hue" in name for name in row)  # the scans are gray


def test_the_probe_changes_no_weight_of_the_run(run, tmp_path):
    train(tiny(times=0), tmp_path / "without")
    assert probes(tmp_path / "without") == []
    one, other = (
        (records.checkpoint_folders(path)[-1][1] / "method.safetensors").read_bytes()
        for path in (run, tmp_path / "without")
    )
    assert one == other


def test_the_command_writes_the_record_and_the_page_shows_it(run, capsys):
    assert main(["geometry", str(run), *FEW]) == 0
    said, progress = capsys.readouterr()
    kept = records.read_json(run / records.GEOMETRY)
    assert str(run / records.GEOMETRY) in said
    assert "rotation" in said
    assert "operation rotation" in progress
    rows = {row["name"]: row["layers"] for row in kept["trained"]["operations"]}
    farthest = max(rows, key=lambda name: rows[name]["h"]["moved"])
    damped = min(rows, key=lambda name: rows[name]["z"]["moved"] / rows[name]["h"]["moved"])
    flat = " ".join(said.split())
    assert f"The encoder is moved most by {farthest} (" in flat
    assert f"how far an image moves: least for {damped} (" in flat
    assert kept["trained"]["features"]["images"] == 64
    assert kept["trained"]["features"]["projector"]["depth"] == 0
    names = [row["name"] for row in kept["trained"]["operations"]]
    assert names == [row["name"] for row in kept["reference"]["operations"]]
    assert {"crop", "zoom", "rotation", "shift", "flip", "brightness", "contrast", "blur"} == set(names)
    (section,) = [one for one in SECTIONS if one.key == "geometry"]
    filled = fill(section, load(run))
    titles = [block.title for block in filled.blocks]
    assert filled.notices == []
    for words in ("operation", "negative", "projector", "InfoNCE"):
        assert any(words.lower() in title.lower() for title in titles), words


def test_two_measurements_of_one_run_are_equal(run):
    settings = GeometrySettings(images=32, draws=0, points=8)
    one, other = (measure_anything(str(run), None, settings=settings, say=lambda _: None) for _ in range(2))
    assert one == other


def test_an_encoder_without_a_projector_is_measured_on_named_images(capsys):
    words = ["geometry", "convnet", "digits", "--policy", "digits", "--json", *FEW]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trained"]["features"]["projector"] is None
    assert set(found["trained"]["operations"][0]["layers"]) == {"h"}


def test_a_file_of_arrays_has_no_networks(tmp_path):
    (tmp_path / "h.npy").write_bytes(b"x")
    with pytest.raises(InputError, match="the geometry needs the networks"):
        measure_anything(str(tmp_path / "h.npy"), None, settings=GeometrySettings())


def test_an_unknown_operation_is_refused_before_training(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'rotation'"):
        train(tiny(operations=("rotatoin",)), tmp_path / "run")
