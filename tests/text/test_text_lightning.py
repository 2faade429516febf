"""A run on sentences under Lightning's Trainer is our own run, to the bit."""

from dataclasses import replace

import pytest
import torch

from contrascope import records
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import ProjectorSettings
from contrascope.jobs.train import train
from contrascope.methods.settings import method_settings
from contrascope.methods.text.clear_settings import CLEARSettings
from contrascope.methods.text.consert_settings import ConSERTSettings
from contrascope.methods.text.declutr_settings import DeCLUTRSettings
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.runs.text_load import load_text_run
from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.text.settings import SpanSettings, TextViewSettings

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = {"projector": ProjectorSettings(hidden=(8,), out=6)}
METHODS = {
    "mlm": MLMSettings(),
    "simcse": type(method_settings("simcse"))(projector=ProjectorSettings(hidden=(), out=8)),
    "consert": ConSERTSettings(adversarial=0.1),
    "clear": CLEARSettings(**SMALL),
    "cert": type(method_settings("cert"))(queue_size=16, **SMALL),
    "declutr": DeCLUTRSettings(spans=SpanSettings(shortest=4, longest=12)),
}
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    """Lightning imports torchvision where it is installed."""
    pytest.importorskip("lightning.pytorch", reason="the extra `lightning` is not installed")


def settings_for(name, corpus, vocabulary_folder):
    made = TEXT_RECIPES[f"text-{name}-cpu"].make()
    network = replace(made.encoder, vocabulary=str(vocabulary_folder), width=8, depth=1, heads=2)
    file = "documents.txt" if name == "declutr" else "train.txt"
    return replace(
        made,
        data=replace(made.data, source=str(corpus / file), bucket=3),
        views=TextViewSettings(first=("delete=0.2",) if name == "clear" else ()),
        encoder=network,
        method=METHODS[name],
        training=replace(made.training, epochs=2, batch_size=8, threads=1, log_every=1, checkpoint_every=0),
        monitor=MonitorSettings(times=0),
    )


@pytest.mark.parametrize("name", METHODS)
def test_the_weights_are_those_of_our_own_loop(name, corpus, vocabulary_folder, tmp_path):
    from lightning.pytorch import Trainer

    from contrascope.integrations.lightning import trainer_arguments
    from contrascope.integrations.lightning_run import lightning_run

    settings = settings_for(name, corpus, vocabulary_folder)
    train(settings, tmp_path / "ours")
    run = lightning_run(settings, tmp_path / "theirs")
    trainer = Trainer(**{**QUIET, **trainer_arguments(settings.training), "callbacks": [run.folder]})
    trainer.fit(run.module, run.data)
    mine, yours = (
        [row for row in records.read_metrics(tmp_path / one / records.METRICS) if row["kind"] == "step"]
        for one in ("ours", "theirs")
    )
    assert [row["step"] for row in mine] == [row["step"] for row in yours]
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in yours], rel=1e-6)
    ours, theirs = (load_text_run(tmp_path / one) for one in ("ours", "theirs"))
    assert ours.step == theirs.step
    other = theirs.method.state_dict()
    for key, value in ours.method.state_dict().items():
        assert torch.equal(value, other[key]), key
    assert ("method_masked_loss" in yours[-1]) == ("method_masked_loss" in mine[-1])
