"""Flags of the engine ray, without a cluster."""

import sys

import pytest

from contrascope.cli import main
from contrascope.engines.ray import RaySettings
from contrascope.jobs import embed_ray, train_ray
from contrascope.records.sweeps import ALARMED, DIVERGED, FINISHED

TINY = [
    "--encoder.width",
    "4",
    "--training.epochs",
    "1",
    "--training.batch-size",
    "64",
    "--protocol.probes",
    "knn",
]


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "convnet", "digits", "--out", "f", "--workers", "2"],
        ["embed", "convnet", "digits", "--out", "f", "--ray", "cpus=2"],
        ["train", "digits-simclr", "--out", "f", "--workers", "2"],
        ["sweep", "digits-simclr", "--grid", "training.seed=0,1", "--out", "f", "--ray", "cpus=2"],
    ],
)
def test_flags_of_ray_without_the_engine_are_refused_and_leave_nothing(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "is of the engine ray; add --engine ray." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_engine_ray_embeds_to_folders_alone(tmp_path, capsys):
    words = ["embed", "convnet", "digits", "--out", str(tmp_path / "f.npz"), "--engine", "ray"]
    assert main(words) == 2
    assert "writes a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["embed", "train", "sweep"])
def test_without_the_extra_every_command_says_what_to_install(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    out = ["--out", str(tmp_path / "f"), "--engine", "ray"]
    words = {
        "embed": ["embed", "convnet", "digits", *out],
        "train": ["train", "digits-simclr", *TINY, *out],
        "sweep": ["sweep", "digits-simclr", *TINY, "--grid", "training.seed=0,1", *out],
    }[command]
    assert main(words) == 2
    assert "pip install 'contrascope[cluster]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["train", "digits-simclr"], ["embed", "convnet", "digits"]], ids=["train", "embed"]
)
def test_no_workers_are_refused_in_one_sentence_before_anything_is_said(words, tmp_path, capsys):
    more = ["--out", str(tmp_path / "f"), "--engine", "ray", "--workers", "0"]
    assert main([*words, *more]) == 2
    assert capsys.readouterr().err == "contrascope: --workers is 0; expected 1 or more.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_was_stopped_says_how_it_goes_on_with_its_engine(tmp_path, monkeypatch, capsys):
    def stopped(settings, out, ray_settings, **more):
        out.mkdir()
        (out / "settings.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(train_ray, "train_on_ray", stopped)
    out = tmp_path / "run"
    words = ["train", "digits-simclr", *TINY, "--out", str(out), "--engine", "ray", "--workers", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--ray", "cpus=2"])
    assert ended.value.code == 130
    line = f"go on with: contrascope train {out} --resume --engine ray --workers 2 --ray cpus=2"
    assert line in capsys.readouterr().err


def test_a_command_hands_its_words_to_the_cluster(tmp_path, monkeypatch):
    told = {}

    def played(settings, thing, data, **more):
        told.update(settings=settings, thing=thing, source=data.source, **more)
        return lambda stream, out, missing, progress: told.update(shards=len(missing))

    monkeypatch.setattr(embed_ray, "finish_on_ray", played)
    words = ["--engine", "ray", "--workers", "3", "--ray", "cpus=2", "--shard-rows", "512"]
    assert main(["embed", "convnet", "digits", "--out", str(tmp_path / "f"), *words]) == 0
    assert told == {
        **{"settings": RaySettings(cpus=2), "thing": "convnet", "source": "digits", "workers": 3},
        **{"rows": 512, "shards": 3},
    }


@pytest.mark.parametrize(("state", "code"), [(FINISHED, 0), (ALARMED, 3), (DIVERGED, 1)])
def test_a_training_ends_with_the_code_of_its_state(state, code, tmp_path, monkeypatch, capsys):
    def played(settings, out, ray_settings, *, workers, restarts, resume, progress):
        assert (workers, restarts, resume) == (2, 3, False)
        if state == FINISHED:
            train_ray.train(settings, out, resume=True)
        return state, "" if state == FINISHED else "it ended early."

    monkeypatch.setattr(train_ray, "train_on_ray", played)
    out = str(tmp_path / "run")
    words = ["train", "digits-simclr", *TINY, "--training.threads", "1", "--out", out]
    if code:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--engine", "ray", "--workers", "2"])
        assert ended.value.code == code
        assert "it ended early." in capsys.readouterr().err
    else:
        assert main([*words, "--engine", "ray", "--workers", "2"]) == 0
        assert f"The run is in {out}" in capsys.readouterr().out
