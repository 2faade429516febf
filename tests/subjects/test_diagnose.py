import json
import re
from dataclasses import replace

import numpy as np
import pytest

from contrascope import records
from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.answers import WITHOUT_LABELS
from contrascope.diagnosis.settings import DiagnosisSettings, MonitorSettings
from contrascope.diagnosis.verdict import Answer, Verdict
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.recipes import digits_simclr
from contrascope.subjects.diagnose import diagnose_anything, known_of
from contrascope.subjects.open import open_subject
from contrascope.training.settings import TrainingSettings

FEW = ["--diagnosis.images", "100", "--diagnosis.views", "2", "--diagnosis.draws", "20"]
SETTINGS = DiagnosisSettings(images=100, views=2, draws=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = replace(
        digits_simclr(),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=2, batch_size=256, keep_last=2),
        data=DataSettings(source="digits", labels="none"),
        monitor=MonitorSettings(times=0),
    )
    train(settings, out)
    return out


def test_a_run_is_diagnosed_on_its_own_images_and_leaves_the_numbers(run, capsys):
    status = main(["diagnose", str(run), *FEW])
    said = capsys.readouterr().out
    kept = records.read_json(run / records.DIAGNOSIS)
    assert status == (0 if kept["verdict"]["sound"]["word"] == "sound" else 3)
    for question in ("sound", "learning", "useful"):
        assert kept["verdict"][question]["word"] in said
    about = "digits [test] (not trained on), policy digits, step 10; 100 of 500 images"
    assert about in kept["data"]
    assert about in " ".join(said.split())
    assert kept["signals"]["h"]["images"] == 100
    assert kept["signals"]["z"]["dim"] == 8
    assert kept["signals"]["reference_h"]["views"]["retrieval"]["value"] >= 0
    assert str(run / records.DIAGNOSIS) in said


def test_any_kept_checkpoint_can_be_diagnosed_and_another_step_is_refused(run):
    assert "step 5;" in diagnose_anything(str(run), None, step=5, settings=SETTINGS).data
    with pytest.raises(InputError, match=r"no checkpoint at step 7; it has 5, 10"):
        diagnose_anything(str(run), None, step=7, settings=SETTINGS)


def test_labels_stand_beside_the_same_verdict(run):
    plain = diagnose_anything(str(run), None, settings=SETTINGS).diagnosis
    labelled = diagnose_anything(str(run), None, labels="digit", settings=SETTINGS).diagnosis
    assert (labelled.verdict.sound, labelled.verdict.learning) == (
        plain.verdict.sound,
        plain.verdict.learning,
    )
    assert plain.verdict.useful.word == "cannot be told without labels"
    assert labelled.verdict.useful.word in ("useful", "not useful", "label more")
    assert "h digit" in labelled.factors
    assert "h digit" not in plain.factors


def test_a_foreign_encoder_needs_images_and_is_compared_with_its_random_twin(capsys):
    assert main(["diagnose", "convnet"]) == 2
    assert "an encoder needs images: contrascope diagnose convnet DATA" in capsys.readouterr().err
    status = main(["diagnose", "convnet", "digits", "--policy", "digits", "--json", *FEW])
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert status == 3
    assert verdict["sound"]["reason"] == "weights at their initial values"
    assert verdict["learning"]["word"] == "cannot be told"


def test_an_encoder_by_import_path_that_sees_nothing_has_collapsed(tmp_path, monkeypatch, capsys):
    lines = (
        "import torch",
        "class Constant(torch.nn.Module):",
        "    def forward(self, x):",
        "        return torch.ones(len(x), 6)",
    )
    (tmp_path / "seesnothing.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["diagnose", "seesnothing:Constant", "digits", "--policy", "digits", "--json", *FEW]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"]["sound"]["reason"] == "few distinct rows"
    assert "point one way" in " ".join(found["verdict"]["sound"]["evidence"])


def test_a_file_says_what_needs_views_and_is_sound_at_best(tmp_path, capsys):
    np.save(tmp_path / "h.npy", np.random.default_rng(0).standard_normal((120, 8)).astype(np.float32))
    assert main(["diagnose", str(tmp_path / "h.npy"), "--diagnosis.draws", "0"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"Is it sound\? . sound", said)
    assert re.search(r"Is it learning\? . cannot be told", said)
    assert "Needs views: alignment" in said
    assert "Gaussian rows of the same shape" in said


def test_a_file_with_nan_is_a_numerical_fault(tmp_path, capsys):
    rows = np.ones((50, 4), dtype=np.float32)
    rows[3, 1] = np.nan
    np.save(tmp_path / "h.npy", rows)
    assert main(["diagnose", str(tmp_path / "h.npy"), "--out", str(tmp_path / "d" / "x.json")]) == 3
    assert "1 value is NaN" in capsys.readouterr().out
    assert records.read_json(tmp_path / "d" / "x.json")["signals"]["h"] is None


def test_labels_in_a_file_are_chosen_by_name(tmp_path):
    h = np.random.default_rng(0).standard_normal((2, 60, 8)).astype(np.float32)
    np.savez(tmp_path / "f.npz", **{"h": h, "y.fine": np.arange(60) % 3, "y.coarse": np.arange(60) % 2})
    path = str(tmp_path / "f.npz")
    both = diagnose_anything(path, None, settings=SETTINGS).diagnosis.factors
    one = diagnose_anything(path, None, labels="coarse", settings=SETTINGS).diagnosis.factors
    none = diagnose_anything(path, None, labels="none", settings=SETTINGS).diagnosis.factors
    assert {"h fine", "h coarse"} <= set(both)
    assert ("h coarse" in one, "h fine" in one, "h coarse" in none) == (True, False, False)
    with pytest.raises(InputError, match="no label column 'coarze'"):
        diagnose_anything(path, None, labels="coarze", settings=SETTINGS)


@pytest.mark.parametrize(
    ("sound", "learning", "on", "status"),
    [
        ("sound", "learning", "unsound", 0),
        ("sound", "learning", "not-learning", 0),
        ("sound", "not learning", "unsound", 0),
        ("sound", "not learning", "not-learning", 3),
        ("sound", "barely learning", "not-learning", 0),
        ("sound", "policy too easy to tell", "not-learning", 0),
        ("unsound", "cannot be told", "unsound", 3),
        ("unsound", "cannot be told", "not-learning", 3),
        ("sound", "not learning", "unsound,not-learning", 3),
        ("sound", "not learning", "unsound, not-useful", 0),
    ],
)
def test_the_exit_status_says_what_was_asked_for(tmp_path, monkeypatch, capsys, sound, learning, on, status):
    np.save(tmp_path / "h.npy", np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32))
    verdict = Verdict(sound=Answer(word=sound), learning=Answer(word=learning), useful=WITHOUT_LABELS)
    monkeypatch.setattr("contrascope.diagnosis.diagnosis.judge", lambda *_, **__: verdict)
    asked = ["diagnose", str(tmp_path / "h.npy"), "--json", "--diagnosis.draws", "0", "--fail-on", on]
    assert main(asked) == status
    assert json.loads(capsys.readouterr().out)["verdict"]["learning"]["word"] == learning


def test_nothing_else_can_be_asked_for(tmp_path, capsys):
    np.save(tmp_path / "h.npy", np.ones((60, 8), dtype=np.float32))
    assert main(["diagnose", str(tmp_path / "h.npy"), "--fail-on", "unsound,useless"]) == 2
    assert "not-learning" in capsys.readouterr().err


def test_the_training_is_known_to_the_causes_and_to_nothing_else(run):
    known = known_of(open_subject(str(run)))
    assert (known.optimiser, known.rate, known.decay) == ("adamw", 2e-3, 1e-4)
    assert known.method.projector.out == 8
    assert known_of(open_subject("convnet", data=DataSettings(source="digits"))).rate is None


def test_a_file_takes_neither_images_nor_a_policy(tmp_path):
    np.save(tmp_path / "h.npy", np.ones((5, 2), dtype=np.float32))
    with pytest.raises(InputError, match="takes neither images nor a policy"):
        diagnose_anything(str(tmp_path / "h.npy"), DataSettings(source="digits"), settings=SETTINGS)


@pytest.mark.parametrize("change", [{"images": 3}, {"views": 1}, {"draws": -1}])
def test_wrong_settings_are_refused(change):
    with pytest.raises(InputError, match=f"diagnosis.{next(iter(change))} is"):
        DiagnosisSettings(**change)
