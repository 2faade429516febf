import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views

sys.path.append(str(Path(__file__).parent))  # for kinds

sys.path.append(str(Path(__file__).parent))  # for chunk_cases, which worker processes run as a script

HEAD = ProjectorSettings(hidden=(8,), out=8)
METHODS = {
    "simclr": SimCLRSettings(projector=HEAD),
    "moco": MoCoSettings(projector=HEAD, queue_size=64, splits=0),
}


@pytest.fixture
def make_method() -> Callable[..., Method]:
    def make(name: str = "simclr", seed: int = 0) -> Method:
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(seed)
            encoder = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
            return build_method(METHODS[name], encoder)

    return make


@pytest.fixture
def images() -> InMemoryImages:
    generator = torch.Generator().manual_seed(7)
    return InMemoryImages(images=torch.randint(256, (64, 1, 8, 8), generator=generator).to(torch.uint8))


@pytest.fixture
def start_fit(make_method: Any, images: InMemoryImages) -> Callable[..., Method]:
    """Train a fresh tiny method in a folder: 4 steps an epoch, 3 epochs."""

    def start(
        run: Path,
        *,
        method: str = "simclr",
        optim: str = "adamw",
        lr: float = 1e-2,
        probes: Any = (),
        segments: Any = (),
        **changes: Any,
    ) -> Method:
        run.mkdir(parents=True, exist_ok=True)
        made = make_method(method) if isinstance(method, str) else method
        items = changes.pop("images", images)
        training = TrainingSettings(**{"epochs": 3, "batch_size": 16, "log_every": 1, **changes})
        policies = build_policy(PolicySettings(name="digits"), channels=1, size=8)
        return fit(
            made,
            items,
            image_views(made, policies, items, training),
            run=run,
            training=training,
            optim=OptimSettings(name=optim, lr=lr),
            schedule=ScheduleSettings(warmup_epochs=1.0),
            accelerator=Accelerator(mixed_precision="no"),
            probes=probes,
            segments=segments,
        )

    return start
