"""Trains small methods with our loop in one process or several; as a script under torch.distributed.run."""

import sys
from pathlib import Path

import kinds
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.distributed import is_main, world_size
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.build import build_method, synchronise
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

HEAD = ProjectorSettings(hidden=(12,), out=6)
PREDICTOR = ProjectorSettings(hidden=(12,), out=6, batch_norm=True)
CASES = {
    **{name: {} for name in ("MultiCrop", "Adversarial", "Supervised", "swav", "dino", "rotation", "mae")},
    **{name: {} for name in ("colourisation", "deepcluster_v2", "bigan")},
    "mae with a spread": {},
    "simclr in parts": {"chunk": 2},
    "byol in parts": {"chunk": 3},
}


def joint(name):
    torch.manual_seed(0)
    encoder = kinds.Network()
    encoder.norm = torch.nn.Identity()
    if name.startswith("simclr"):
        return build_method(SimCLRSettings(projector=HEAD), encoder)
    return build_method(BYOLSettings(projector=HEAD, predictor=PREDICTOR), encoder)


def trained(case, folder):
    """The state after three steps in double precision."""
    pixels = torch.randint(256, (24, 1, 8, 8), generator=torch.Generator().manual_seed(7)).to(torch.uint8)
    images = InMemoryImages(images=pixels, labels=torch.arange(24) % 3)
    accelerator = Accelerator(mixed_precision="no", cpu=True)
    changes = {"spread": 0.5} if "with a spread" in case else {}
    method = (joint(case) if " in parts" in case else kinds.make(case.split()[0], **changes)).double()
    if world_size() > 1:
        synchronise(method)
    policies = build_policy(PolicySettings(name="digits"), channels=1, size=8)
    items, maker = kinds.material(case, method, images, policies)
    return fit(
        method,
        items,
        maker,
        run=Path(folder) / case,
        training=TrainingSettings(epochs=1, batch_size=8, **CASES[case]),
        optim=OptimSettings(lr=0.05),
        schedule=ScheduleSettings(),
        accelerator=accelerator,
    ).state_dict()


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {f"{case}/{key}": value for case in CASES for key, value in trained(case, sys.argv[1]).items()}
    if is_main():
        save_file({key: value.clone().contiguous() for key, value in found.items()}, sys.argv[2])
