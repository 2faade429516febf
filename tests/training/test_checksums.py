import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contrascope import records
from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.jobs.train import train
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.runs.load import load_run, open_run, settings_of
from contrascope.runs.recipes import digits_simclr
from contrascope.settings import to_json
from contrascope.training.checkpoint import load_checkpoint
from contrascope.training.checksums import DamagedError, newest_whole, verified
from contrascope.training.settings import TrainingSettings

FILES = ("method.safetensors", "optimizer.safetensors", "state.json")
OLD = Path(__file__).parents[1] / "runs" / "format0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of MoCo, whose checkpoints hold a momentum copy and a queue, with four checkpoints."""
    folder = tmp_path_factory.mktemp("runs")
    values = np.random.default_rng(0).integers(256, size=(40, 8, 8, 1), dtype=np.uint8)
    np.savez(folder / "a.npz", train_images=values)
    settings = replace(
        digits_simclr(),
        data=DataSettings(source=str(folder / "a.npz")),
        encoder=EncoderSettings(name="convnet", width=4),
        method=MoCoSettings(projector=ProjectorSettings(hidden=(8,), out=8), queue_size=64, splits=0),
        training=TrainingSettings(epochs=4, batch_size=16, log_every=1, keep_last=9),
    )
    train(settings, folder / "run")
    return folder / "run"


@pytest.fixture
def run(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "run"))


def newest(run):
    return records.checkpoint_folders(run)[-1]


def flip(path, place=None, *, seed=0):
    """One bit of a file is another one."""
    content = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(8 * len(content)) if place is None else place
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(10))
def test_a_flipped_bit_anywhere_in_a_checkpoint_is_noticed(run, name, seed):
    step, folder = newest(run)
    before = json.loads((folder / "state.json").read_text())
    flip(folder / name, seed=seed)
    try:
        same = name == "state.json" and json.loads((folder / name).read_text()) == before
    except ValueError:
        same = False
    if same:  # a blank became another blank
        assert verified(folder)["step"] == step
        return
    with pytest.raises(DamagedError, match=r"damaged|no state"):
        verified(folder)
    assert load_run(run).step == step - 2


@pytest.mark.parametrize("key", ["sha256", "sha256_of_state", "method.safetensors", "optimizer"])
def test_a_bit_in_a_name_of_the_state_makes_no_older_checkpoint_of_it(run, key):
    path = newest(run)[1] / "state.json"
    flip(path, 8 * path.read_text().index(f'"{key}"') + 8)
    with pytest.raises(DamagedError, match=r"state\.json is damaged"):
        verified(path.parent)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("method.safetensors", "encoder."),
        ("method.safetensors", "projector."),
        ("method.safetensors", "running_mean"),
        ("method.safetensors", "queue"),
        ("method.safetensors", "target_encoder."),
        ("optimizer.safetensors", "exp_avg_sq"),
    ],
)
def test_every_kind_of_tensor_is_covered(run, name, tensor):
    """Networks, statistics of batch norm, queue, momentum copy, moments of the optimiser."""
    folder = newest(run)[1]
    content = (folder / name).read_bytes()
    size = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + size])
    found = next((value for key, value in head.items() if tensor in key), None)
    assert found, list(head)
    flip(folder / name, 8 * (8 + size + found["data_offsets"][0]) + 3)
    with pytest.raises(DamagedError, match=f"{name} is damaged: its content is not what was written"):
        load_checkpoint(folder, method=torch.nn.Identity())


def test_a_damaged_checkpoint_is_named_the_one_before_it_is_taken_and_an_explicit_one_refused(run, capsys):
    step, folder = newest(run)
    flip(folder / "method.safetensors", 8 * 5000)
    assert open_run(run).step == step - 2
    said = capsys.readouterr().err
    assert f"{folder / 'method.safetensors'} is damaged" in said
    assert f"The checkpoint before it, of step {step - 2}, is taken." in said
    with pytest.raises(InputError, match=r"method\.safetensors is damaged"):
        load_run(run, step=step)
    assert load_run(run, step=step - 2).step == step - 2


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(run):
    for _, folder in records.checkpoint_folders(run):
        (folder / "method.safetensors").unlink()
    with pytest.raises(DamagedError, match=r"has no whole checkpoint\..*method\.safetensors is missing"):
        load_run(run)
    with pytest.raises(DamagedError, match="has no whole checkpoint"):
        train(settings_of(run), run, resume=True)


def test_a_run_resumed_from_the_checkpoint_before_a_damaged_one_ends_with_the_same_bits(run, trained, capsys):
    step, folder = newest(run)
    flip(folder / "optimizer.safetensors", 8 * 3000)
    kept = (folder / "optimizer.safetensors").read_bytes()
    train(settings_of(run), run, resume=True)
    said = capsys.readouterr().err
    assert said.count("optimizer.safetensors is damaged") == 1
    aside = run / "checkpoints" / f"damaged-{folder.name}"
    assert (aside / "optimizer.safetensors").read_bytes() == kept
    mine, theirs = load_run(run), load_run(trained)
    assert mine.step == theirs.step == step
    theirs = theirs.method.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.method.state_dict().items())


def test_pruning_after_a_damaged_checkpoint_keeps_the_good_ones(run):
    """A damaged checkpoint is newer than what comes next, so it must not count among the last."""
    settings = settings_of(run)
    few = replace(settings, training=replace(settings.training, keep_last=1))
    records.write_settings(run, to_json(few))
    for step, folder in records.checkpoint_folders(run):
        if step > 2:
            flip(folder / "state.json", 8)
    train(few, run, resume=True)
    assert newest_whole(run) is not None
    assert [step for step, _ in records.checkpoint_folders(run)] == [8]


def test_an_older_checkpoint_without_sums_opens_with_a_note(tmp_path, capsys):
    old = Path(shutil.copytree(OLD / "digits-moco", tmp_path / "old"))
    assert load_run(old).step == 10
    assert "is of an older version and has no checksums" in capsys.readouterr().err
    path = newest(old)[1] / "method.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DamagedError, match=r"method\.safetensors is damaged: it cannot be read"):
        load_run(old)


def test_moments_that_were_removed_to_save_space_are_missed_by_training_alone(run):
    step, folder = newest(run)
    (folder / "optimizer.safetensors").unlink()
    assert load_run(run).step == step
    with pytest.raises(DamagedError, match=r"optimizer\.safetensors is missing"):
        verified(folder)


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b'{"step": "8", "optimizer": {}}', b'{"step": -1, "optimizer": {}}', b"\xff"]
)
def test_a_state_that_is_none_is_damaged(run, content):
    folder = newest(run)[1]
    (folder / "state.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"state\.json is damaged"):
        verified(folder)


def test_commands_name_the_damage_and_go_on_with_what_is_whole(run, tmp_path, capsys):
    flip(newest(run)[1] / "method.safetensors", 8 * 5000)
    words = ["embed", str(run), "digits", "--data.split", "test", "--out", str(tmp_path / "x.npz")]
    assert main(words) == 0
    assert "is damaged" in capsys.readouterr().err
    assert main(["export", str(run), "--to", "safetensors", "--step", "8"]) == 2
    assert "is damaged" in capsys.readouterr().err
