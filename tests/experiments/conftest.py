import sys
from pathlib import Path

import pytest
import torch

from contrascope.data.settings import DataSettings
from contrascope.encoders.build import EncoderSettings
from contrascope.encoders.projector import ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.experiments.settings import RunSettings
from contrascope.experiments.train import train
from contrascope.methods.simclr import SimCLRSettings
from contrascope.training.settings import TrainingSettings

sys.path.append(str(Path(__file__).parent))  # for advise_cases

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real():
    def path(name):
        folder = REAL / name
        if not folder.is_dir():
            pytest.skip(f"the real image set {name} is not at {folder}")
        return str(folder)

    return path


@pytest.fixture(scope="session")
def suite_run(tmp_path_factory):
    """A run of one epoch on colour scenes of 16 pixels; the suites' tests write elsewhere."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    settings = RunSettings(
        data=DataSettings(source="scenes", size=16, count=150),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=32),
        protocol=Protocol(k=5, probe_grid=(0.01,), probes=("linear",)),
    )
    torch.manual_seed(0)
    train(settings, out)
    return out
