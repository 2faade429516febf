"""Continued pretraining: the start is kept and compared with, a part of the weights is trained, adapters are merged."""

import builtins
import importlib.util
from dataclasses import replace

import pytest
import torch
from torch import nn

from contrascope import records
from contrascope.cli import main
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings, MonitorSettings
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.partial import blocks_of, has_adapters, merged
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import load_encoder
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.jobs.train import train
from contrascope.machine.torchvision_operators import complete_torchvision
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.records.forgetting import START, ForgettingRecord
from contrascope.records.typed import read_record
from contrascope.reports.continued.forgetting import beside_start
from contrascope.reports.load import load
from contrascope.runs.build import build
from contrascope.runs.continued import start_of
from contrascope.runs.load import load_run, random_twin_of
from contrascope.runs.settings import RunSettings
from contrascope.runs.start import method_for, started
from contrascope.subjects.diagnose import diagnose_anything
from contrascope.terminal.closing import closing_lines
from contrascope.training.settings import OptimSettings, TrainingSettings

SHAPE = (3, 16, 16)
PROJECTOR = ProjectorSettings(hidden=(), out=8)


def settings_for(*, epochs=1, lr=0.01, seed=0, method=None, **encoder):
    return RunSettings(
        data=DataSettings(source="scenes", size=16, count=64, labels="none"),
        encoder=EncoderSettings(**{"name": "convnet", "width": 4, **encoder}),
        method=method or PlainSettings(projector=PROJECTOR),
        training=TrainingSettings(epochs=epochs, batch_size=16, seed=seed, threads=1),
        optim=OptimSettings(name="adamw", lr=lr),
        monitor=MonitorSettings(times=0),
    )


def trunk(method):
    return {name: value.clone() for name, value in method.encoder.trunk.state_dict().items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "run"
    train(settings_for(), folder)
    return folder


@pytest.fixture(scope="module")
def start(run):
    return trunk(load_run(run).method)


@pytest.fixture(scope="module")
def adapted(run, tmp_path_factory):
    if importlib.util.find_spec("peft") is None:
        pytest.skip("needs peft")
    folder = tmp_path_factory.mktemp("lora") / "run"
    train(settings_for(weights=str(run), lora=2, seed=3), folder)
    return folder


def test_blocks_are_found_in_every_kind_of_network():
    for name, count in (("convnet", 6), ("resnet18", 8), ("vit-tiny", 2)):
        made = build(settings_for(name=name, width=12, depth=2, heads=2), SHAPE)
        assert len(blocks_of(made.encoder.trunk)) == count
    assert blocks_of(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []


def test_only_the_last_blocks_move(run, start, tmp_path):
    asked = settings_for(weights=str(run), train_last=2, seed=4)
    train(asked, tmp_path / "run")
    now = trunk(load_run(tmp_path / "run").method)
    first = [name for name in now if int(name.split(".")[1]) < 4]
    last = [name for name in now if int(name.split(".")[1]) >= 4 and name.endswith("weight")]
    assert first
    assert all(torch.equal(now[name], start[name]) for name in first)  # batch norm's statistics among them
    assert not any(torch.equal(now[name], start[name]) for name in last)


def test_a_run_that_goes_on_trains_the_same_part(run, tmp_path):
    asked = settings_for(weights=str(run), train_last=1, epochs=2)
    train(asked, tmp_path / "whole")
    train(asked, tmp_path / "parts", until=1)
    train(asked, tmp_path / "parts", resume=True)
    one, other = (trunk(load_run(tmp_path / name).method) for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_momentum_copy_begins_with_the_start_where_a_part_is_trained(run, start):
    method = MoCoSettings(projector=PROJECTOR, queue_size=32)
    state = started(settings_for(weights=str(run), train_last=1, method=method), SHAPE).state_dict()
    assert all(torch.equal(state[f"target_encoder.trunk.{name}"], value) for name, value in start.items())


def test_adapters_alone_move_and_are_merged_wherever_the_run_opens(adapted, start, monkeypatch):
    real = builtins.__import__

    def without_peft(name, *more, **kinds):
        if name.partition(".")[0] == "peft":
            raise ModuleNotFoundError("No module named 'peft'", name="peft")
        return real(name, *more, **kinds)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    now = trunk(load_run(adapted).method)
    assert not has_adapters(now)
    assert now.keys() == start.keys()
    moved = {name for name in now if not torch.equal(now[name], start[name])}
    assert moved == {name for name in now if name.endswith("conv.weight")}
    with pytest.raises(InputError, match=r"needs the package peft.*contrascope\[peft\]"):
        started(load_run(adapted).settings, SHAPE)


def test_merged_weights_give_what_peft_gives(adapted):
    run = load_run(adapted)
    trained = method_for(run.settings, adapted, SHAPE)
    folder = records.checkpoint_folders(adapted)[-1][1]
    from contrascope.training.checkpoint import read_weights

    read_weights(folder, trained)
    assert has_adapters(trained.state_dict())
    images = torch.rand(4, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(run.encoder(images), trained.eval().encoder(images), rtol=1e-5, atol=1e-5)
    linear = {"a.base_layer.weight": torch.zeros(2, 3), "a.base_layer.bias": torch.ones(2)}
    linear |= {"a.lora_A.default.weight": torch.ones(1, 3), "a.lora_B.default.weight": torch.ones(2, 1)}
    assert {name: value.tolist() for name, value in merged(linear).items()} == {
        "a.weight": [[2.0] * 3] * 2,  # alpha is twice the rank
        "a.bias": [1.0, 1.0],
    }


def test_an_export_of_adapters_is_plain(adapted, tmp_path):
    export_run(adapted, ExportSettings(to="safetensors"), out=tmp_path / "plain")
    images = torch.rand(4, *SHAPE)
    with torch.no_grad():
        found, expected = load_encoder(tmp_path / "plain")(images), load_run(adapted).encoder(images)
    torch.testing.assert_close(found, expected)


def test_the_start_is_kept_and_compared_with_wherever_the_folder_goes(run, start, tmp_path):
    train(settings_for(weights=str(run), lr=1e-4, seed=5), tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    kept = start_of(load_run(tmp_path / "moved"))
    assert isinstance(kept, Encoder)
    assert all(torch.equal(value, start[name]) for name, value in kept.trunk.state_dict().items())
    record = read_record(ForgettingRecord, tmp_path / "moved" / ForgettingRecord.FILE)
    assert record.notices == ()
    assert record.record.start.word == "kept"
    assert "Has it forgotten its start? ✓ kept" in closing_lines(tmp_path / "moved")
    table = beside_start(load(tmp_path / "moved"))
    assert table.title == "Has it forgotten its start? ✓ kept"
    assert len(table.rows) == 8


def test_a_run_from_random_weights_has_no_start(run):
    assert not (run / START).exists()
    assert not (run / ForgettingRecord.FILE).exists()
    assert start_of(load_run(run)) is None
    assert beside_start(load(run)) is None
    settings = DiagnosisSettings(images=40, draws=0, views=2)
    assert diagnose_anything(run, settings=settings).start is None


def test_a_damaged_start_is_named(run, tmp_path):
    train(settings_for(weights=str(run)), tmp_path / "run")
    file = tmp_path / "run" / START
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"start\.safetensors is damaged"):
        start_of(load_run(tmp_path / "run"))
    other = build(settings_for(width=8), SHAPE).encoder
    from contrascope.exports.blueprint import trunk_tensors
    from contrascope.features.sealed import save_sealed

    save_sealed(trunk_tensors(other), file, {})
    with pytest.raises(InputError, match="is of another network"):
        start_of(load_run(tmp_path / "run"))
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        start_of(load_run(tmp_path / "run"))


def test_what_is_refused(run):
    for name in ("train_last", "lora"):
        with pytest.raises(InputError, match="have to be trained"):
            started(settings_for(**{name: 1}), SHAPE)
        with pytest.raises(InputError, match="expected 1 or more"):
            EncoderSettings(**{name: 0})
    with pytest.raises(InputError, match="Choose one"):
        EncoderSettings(train_last=1, lora=1)
    with pytest.raises(InputError, match="has 6 blocks"):
        started(settings_for(weights=str(run), train_last=7), SHAPE)


def digits_vit(folder):
    """A small vision transformer of transformers, trained on the scans by their classes, as the hub keeps one."""
    complete_torchvision()
    from transformers import ViTConfig, ViTForImageClassification

    images = open_images(DataSettings(source="digits"))
    pixels, y = images.gather(torch.arange(len(images))).float() / 255, images.y
    torch.manual_seed(0)
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=8,
            patch_size=2,
            num_channels=1,
            num_labels=10,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(10):
        for ids in torch.randperm(len(pixels)).split(64):
            loss = nn.functional.cross_entropy(model(pixel_values=(pixels[ids] - 0.5) / 0.5).logits, y[ids])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_alarm_is_raised_at_a_hundred_times_the_rate_and_not_at_the_right_one(tmp_path, capsys):
    pytest.importorskip("transformers")
    digits_vit(tmp_path / "vit")
    words = {}
    for name, rate in (("right", "0.001"), ("wrong", "0.1")):
        out = tmp_path / name
        asked = [
            "train",
            "digits-simclr",
            "--out",
            str(out),
            "--optim.lr",
            rate,
            "--quiet",
            "--device",
            "cpu",
        ]
        asked += ["--encoder.name", f"hf:{tmp_path / 'vit'}", "--encoder.pretrained", "--data.labels", "none"]
        asked += ["--training.epochs", "3", "--training.threads", "1", "--schedule.warmup-epochs", "1"]
        assert main([*asked, "--monitor.times", "0"]) == 0
        words[name] = read_record(ForgettingRecord, out / ForgettingRecord.FILE).record.start.word
        assert (
            f"Has it forgotten its start? {'✓ kept' if name == 'right' else '✗ forgotten'}"
            in capsys.readouterr().out
        )
    assert words == {"right": "kept", "wrong": "forgotten"}
    run = load_run(tmp_path / "wrong")
    published = load_run(tmp_path / "right")
    twin = random_twin_of(published)
    assert not torch.equal(
        twin.encoder.trunk.model.embeddings.cls_token, start_of(run).trunk.model.embeddings.cls_token
    )
    assert twin.encoder.trunk.use_pooler is run.encoder.trunk.use_pooler is False
    found = diagnose_anything(tmp_path / "wrong", settings=DiagnosisSettings(images=200, draws=0, views=2))
    assert found.start.word == "forgotten"
    assert replace(run.settings, optim=published.settings.optim) == published.settings
