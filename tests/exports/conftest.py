import importlib
import importlib.util

import pytest
import torch
from torch import nn

from contrascope.data.imageset import InMemoryImages
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings


@pytest.fixture
def torchvision(torchvision_operators):
    """The package."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    return importlib.import_module("torchvision")


@pytest.fixture
def make_encoder():
    """An encoder whose weights and batch statistics are all away from where they start."""

    def make(name="convnet", *, channels=3, size=16, **settings):
        source = torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(0)
            encoder = build_encoder(EncoderSettings(name=name, **settings), channels=channels, size=size)
        for module in encoder.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values, low, high in (
                    (module.running_mean, -0.3, 0.3),
                    (module.running_var, 0.7, 1.5),
                    (module.weight.data, 0.7, 1.3),
                    (module.bias.data, -0.3, 0.3),
                ):
                    values.copy_(torch.rand(values.shape, generator=source) * (high - low) + low)
                module.num_batches_tracked.fill_(7)
            if isinstance(module, nn.LayerNorm | nn.Linear):
                module.bias.data.copy_(0.3 * torch.randn(module.bias.shape, generator=source))
        return encoder.eval()

    return make


@pytest.fixture
def images():
    """Five images of 16 px in colour."""
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def run_code(monkeypatch):
    """What the code of a card makes of images in a folder."""

    def run(code, folder, pictures):
        monkeypatch.chdir(folder)
        scope = {"images": pictures.clone()}
        exec(code, scope)
        found = scope["h"]
        return found.detach() if isinstance(found, torch.Tensor) else torch.from_numpy(found)

    return run


@pytest.fixture
def make_set():
    """Images with two label columns, one of them without class names, one name hostile."""

    def make(count=7, *, channels=3, side=8, **more):
        source = torch.Generator().manual_seed(2)
        pixels = torch.randint(0, 256, (count, channels, side, side), generator=source, dtype=torch.uint8)
        labels = {"kind": torch.arange(count) % 3 - 1, "x": torch.arange(count)}
        names = {"kind": ("=cmd()", "<script>alert(1)</script>")}
        return InMemoryImages(images=pixels, name="made", **({"labels": labels, "class_names": names} | more))

    return make
