"""Every registered method in a small size, with images that fall into clusters."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from contrascope import distributed
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.settings import JointSettings, discover

PROJECTOR = ProjectorSettings(hidden=(12,), out=6, batch_norm=True)
JOINED = 16
JOINT = [name for name, info in discover().items() if issubclass(info.settings, JointSettings)]
"""Every registered method that embeds views and compares them; tests/training/kinds.py has those of other kinds."""
STEPS = 2


class SmallEncoder(nn.Module):
    dim = 8

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images):
        return torch.tanh(self.norm(self.conv(images))).mean(dim=(2, 3))


def small_settings(name, **changes):
    """The method's defaults with projectors of a few units and what its registration calls small."""
    info = discover()[name]
    fields = {field.name: field.default for field in dataclasses.fields(info.settings)}
    heads = {key: PROJECTOR for key, value in fields.items() if isinstance(value, ProjectorSettings)}
    small = {**heads, **info.small, **changes}
    return info.settings(**{key: value for key, value in small.items() if key in fields})


def small_method(name, *, seed=0, **changes):
    torch.manual_seed(seed)
    return build_method(small_settings(name, **changes), SmallEncoder())


def clustered_views(*, views=2, batch=JOINED, seed=0, dtype=torch.float32):
    """Noisy views of images from four templates; later ones are brighter, so that parts of a batch differ."""
    generator = torch.Generator().manual_seed(seed)
    templates = torch.rand(4, 1, 6, 6, generator=generator, dtype=torch.float64)
    images = templates[torch.arange(batch) % 4] * torch.linspace(0.3, 1, batch).view(-1, 1, 1, 1)
    noise = torch.randn(views, *images.shape, generator=generator, dtype=torch.float64)
    return (images + 0.1 * noise).to(dtype)


CHOICES = {
    **{
        word: {"positives": word}
        for word in ("first", "average", "average-asymmetric", "worst", "worst-symmetric")
    },
    "soft-worst": {"positives": "soft-worst", "positives_temperature": 0.5},
}
"""Every word of `positives`, with what it needs."""
CASES = {name: {} for name in JOINT} | {
    "moco without splits": {"splits": 0},
    "simclr with splits": {"splits": 4},
    "byol with splits": {"splits": 4},
    "plain with a loss of one's own": {"loss": "own_methods:pulled", "loss_settings": ("margin=0.1",)},
    "plain with one's own that gathers nothing": {"loss": "own_methods:alone"},
    "byol in a joint pass": {"joint_pass": True},
}
CASES |= {
    f"{name} of three views, {word}": {"views": 3} | changes
    for name in JOINT
    for word, changes in CHOICES.items()
    if word in discover()[name].positives
}
"""What W processes compute as one does; the first word is the method."""


def trained(case, dtype):
    """Gradients of every step after averaging, and the state after the last."""
    changes = dict(CASES[case])
    views = changes.pop("views", 2)
    rank, world = distributed.rank(), distributed.world_size()
    method = small_method(case.split()[0], **changes).to(dtype)
    found = {}
    for step in range(STEPS):
        joined = clustered_views(views=views, seed=step, dtype=dtype)
        method.zero_grad()
        method(joined.chunk(world, dim=1)[rank]).terms.total.backward()
        distributed.average_gradients(method.parameters())
        named = {name: p for name, p in method.named_parameters() if p.requires_grad}
        found |= {f"{step}.grad.{name}": p.grad.clone() for name, p in named.items()}
        with torch.no_grad():
            for p in named.values():
                p -= 0.05 * p.grad
        method.after_step(step / STEPS)
    return found | {f"state.{name}": value for name, value in method.state_dict().items()}


def unequal(rank):
    """What each method says of a process that holds an image more than the other."""
    said = {}
    for name in JOINT:
        method = small_method(name, splits=0)
        try:
            method(clustered_views(batch=8 + rank))
            said[name] = "nothing"
        except InputError as error:
            said[name] = str(error)
    return said


def all_trained():
    return {
        f"{case}/{dtype}/{key}": value.detach().numpy()
        for case in CASES
        for dtype in ("float32", "float64")
        for key, value in trained(case, getattr(torch, dtype)).items()
    }


def process(rank, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=(Path(folder) / "store").as_uri(), rank=rank, world_size=world
    )
    said = {f"unequal/{name}": text for name, text in unequal(rank).items()}
    np.savez(Path(folder) / f"rank{rank}.npz", **all_trained(), **said)
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(process, args=(int(sys.argv[1]), sys.argv[2]), nprocs=int(sys.argv[1]))
