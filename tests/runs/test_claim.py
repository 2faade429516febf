"""A start that fails leaves nothing that blocks the next one."""

import errno
import threading
from dataclasses import replace

import numpy as np
import pytest

from contrascope import records
from contrascope.cli import main
from contrascope.commands.train import new_folder
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.claim import claimed
from contrascope.runs.recipes import digits_simclr
from contrascope.training.settings import OptimSettings, TrainingSettings
from contrascope.training.watch import NonFiniteLossError


def pictures(path, count=40):
    values = np.random.default_rng(0).integers(256, size=(count, 8, 8, 1), dtype=np.uint8)
    np.savez(path, train_images=values)
    return str(path)


@pytest.fixture
def settings(tmp_path):
    return replace(
        digits_simclr(),
        data=DataSettings(source=pictures(tmp_path / "a.npz")),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=16),
    )


def broken(error):
    def act(*_, **__):
        raise error

    return act


FAILURES = {
    "no such encoder": {"encoder": EncoderSettings(name="no-net")},
    "no such import path": {"encoder": EncoderSettings(name="no_package_here:Net")},
    "no such data": {"data": DataSettings(source="no-such-folder")},
    "batch larger than the set": {"training": TrainingSettings(batch_size=4096)},
    "batch of one": {"training": TrainingSettings(batch_size=1)},
    "tracker that is not there": {
        "training": TrainingSettings(batch_size=16, trackers=("no.module:Tracker",))
    },
    "views too large for the memory of a step": {"training": TrainingSettings(batch_size=16, chunk=5)},
}


@pytest.mark.parametrize("what", FAILURES)
@pytest.mark.parametrize("there", [False, True])
def test_settings_that_cannot_be_trained_claim_no_folder(tmp_path, settings, what, there):
    out = tmp_path / "runs" / "run"
    if there:
        out.mkdir(parents=True)
        (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError):
        train(replace(settings, **FAILURES[what]), out)
    assert [path.name for path in (tmp_path / "runs").rglob("*")] == (["run", "notes.txt"] if there else [])
    assert train(settings, out) == []


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("contrascope.training.loop.Loop.epoch", RuntimeError("CUDA out of memory")),
        ("contrascope.training.step.Stepper.__call__", OSError(errno.EIO, "Input/output error")),
        ("contrascope.training.loop.save_checkpoint", InputError("the disk is full")),
        ("contrascope.runs.folder._write_environment", OSError(errno.ENOSPC, "No space left on device")),
        ("contrascope.jobs.train.fit", MemoryError()),
    ],
)
def test_a_fault_before_the_first_checkpoint_gives_the_folder_back(
    tmp_path, settings, monkeypatch, place, error
):
    out = tmp_path / "runs" / "deep" / "run"
    with monkeypatch.context() as patch:
        patch.setattr(place, broken(error))
        with pytest.raises(type(error)):
            train(settings, out)
    assert not (tmp_path / "runs").exists()
    smaller = replace(settings, training=replace(settings.training, batch_size=8))
    assert train(smaller, out) == []  # other settings too


def test_a_fault_behind_a_checkpoint_keeps_the_run(tmp_path, settings, monkeypatch):
    out = tmp_path / "run"
    long = replace(settings, training=replace(settings.training, epochs=3, checkpoint_every=2))
    kept = []

    def full(*args, **more):
        kept.append(args)
        if len(kept) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("contrascope.training.loop.prune_checkpoints", full)
    with pytest.raises(OSError, match="No space left"):
        train(long, out)
    monkeypatch.undo()
    assert records.checkpoint_folders(out)
    with pytest.raises(InputError, match="already holds a run"):
        train(long, out)
    train(long, out, resume=True)
    assert records.checkpoint_folders(out)[-1][0] == 6


def test_a_loss_that_is_no_number_keeps_its_metrics(tmp_path, settings):
    wild = replace(
        settings,
        optim=OptimSettings(name="sgd", lr=1e30),
        training=replace(settings.training, epochs=9, log_every=1),
    )
    with pytest.raises(NonFiniteLossError):
        train(wild, tmp_path / "run")
    assert (tmp_path / "run" / records.METRICS).exists()


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_fewer_than_eight_images_are_refused_before_the_folder_is_claimed(tmp_path, settings, count):
    few = replace(
        settings,
        data=DataSettings(source=pictures(tmp_path / "few.npz", count)),
        training=TrainingSettings(epochs=1, batch_size=max(2, count // 2)),
    )
    with pytest.raises(InputError, match=f"has {count} images; a run needs at least 8"):
        train(few, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    enough = replace(few, data=DataSettings(source=pictures(tmp_path / "few.npz", 8)))
    assert train(enough, tmp_path / "run") == []


def test_the_command_leaves_no_folder_of_a_start_that_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures("a.npz", 5)
    for words in (
        ["--data.source", "a.npz", "--training.batch-size", "2"],
        ["--training.batch-size", "100000"],
        ["--encoder.name", "no-net"],
    ):
        assert main(["train", "digits-simclr", *words]) == 2
        assert [path.name for path in tmp_path.rglob("*") if path.name != "a.npz"] in ([], ["runs"])
    capsys.readouterr()


def test_runs_that_begin_in_one_second_get_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260101-000000")
    found = []
    threads = [threading.Thread(target=lambda: found.append(new_folder("x"))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 8
    assert all(folder.is_dir() for folder in found)


def test_what_was_there_before_a_start_stays(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "metrics.jsonl").write_text("mine")

    def start():
        with claimed(out):
            (out / "settings.json").write_text("{}")
            (out / "checkpoints").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start()
    assert {path.name: path.read_text() for path in out.iterdir()} == {"metrics.jsonl": "mine"}


def test_a_fault_is_told_also_where_the_folder_cannot_be_given_back(tmp_path, monkeypatch):
    def start():
        with claimed(tmp_path / "run"):
            (tmp_path / "run" / "settings.json").write_text("{}")
            (tmp_path / "run" / "checkpoints").symlink_to(tmp_path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start()
