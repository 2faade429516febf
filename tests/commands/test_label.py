import json

import pytest

from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.jobs.train import train
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.runs.settings import RunSettings
from contrascope.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("label") / "run"
    settings = RunSettings(
        data=DataSettings(source="scenes", size=16, count=64),
        encoder=EncoderSettings(name="convnet", width=4),
        method=PlainSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=32),
        protocol=Protocol(k=5, probes=("knn",)),
    )
    train(settings, folder)
    return folder


def test_a_run_gets_its_page_and_its_table(run, capsys):
    assert main(["label", str(run), "--count", "5", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("5 images to label\n")
    assert f"contrascope diagnose {run} --labelled {run / 'label.csv'}" in said
    assert (run / "label.csv").read_text().splitlines()[0] == "file,class"
    assert len((run / "label.csv").read_text().splitlines()) == 6


def test_the_words_for_programs(run, tmp_path, capsys):
    assert main(["label", str(run), "--count", "3", "--out", str(tmp_path), "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["kept"]) == (3, 0)
    assert told["page"] == str(tmp_path / "label.html")


@pytest.mark.parametrize("count", ["0", "65"])
@pytest.mark.parametrize("spread", [[], ["--no-spread"]])
def test_a_count_that_there_is_not_is_refused(run, count, spread, capsys):
    assert main(["label", str(run), "--count", count, *spread, "--quiet"]) == 2
    assert "expected 1 to 64" in capsys.readouterr().err


def test_an_encoder_by_name_needs_a_folder(capsys):
    assert main(["label", "resnet18", "digits", "--quiet"]) == 2
    assert "--out" in capsys.readouterr().err
