import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from contrascope.encoders import resnet
from contrascope.encoders.resnet import ResNet
from contrascope.errors import InputError


def multiply_adds(trunk, images):
    """Counted from the shapes of outputs, not from the code under test."""
    total = 0

    def count(module, _inputs, output):
        nonlocal total
        kernel = module.weight[0].numel()
        total += kernel * output[0].numel()

    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        trunk.eval()(images)
    return total


@pytest.mark.parametrize(
    ("name", "published"),
    # torchvision's model cards: 11,689,512, 21,797,672 and 25,557,032 with 1,000 classes
    [
        ("resnet18", 11_689_512 - 513_000),
        ("resnet34", 21_797_672 - 513_000),
        ("resnet50", 25_557_032 - 2_049_000),
    ],
)
def test_parameter_counts_are_the_published_ones_without_the_classifier(name, published):
    trunk = ResNet(name, channels=3, stem="imagenet")
    assert sum(p.numel() for p in trunk.parameters()) == published


def test_cifar_resnet18_does_0_555_billion_multiply_adds_at_32_pixels():
    macs = multiply_adds(ResNet("resnet18", channels=3, stem="cifar"), torch.zeros(1, 3, 32, 32))
    assert macs == pytest.approx(0.555e9, rel=2e-3)


def test_imagenet_resnet50_does_4_09_billion_multiply_adds_at_224_pixels():
    macs = multiply_adds(ResNet("resnet50", channels=3, stem="imagenet"), torch.zeros(1, 3, 224, 224))
    assert macs + 2048 * 1000 == pytest.approx(4.09e9, rel=2e-3)


def published_keys(blocks, convolutions, *, first_shortcut):
    """torchvision's naming, written down from its documentation of `state_dict`."""

    def norm(prefix):
        names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        return {f"{prefix}.{name}" for name in names}

    keys = {"conv1.weight"} | norm("bn1")
    for stage, count in enumerate(blocks, start=1):
        for index in range(count):
            block = f"layer{stage}.{index}"
            for c in range(1, convolutions + 1):
                keys |= {f"{block}.conv{c}.weight"} | norm(f"{block}.bn{c}")
            if index == 0 and (stage > 1 or first_shortcut):
                keys |= {f"{block}.downsample.0.weight"} | norm(f"{block}.downsample.1")
    return keys


def test_state_dict_keys_are_torchvisions():
    assert set(ResNet("resnet18", channels=3, stem="cifar").state_dict()) == published_keys(
        (2, 2, 2, 2), 2, first_shortcut=False
    )
    assert set(ResNet("resnet50", channels=3, stem="imagenet").state_dict()) == published_keys(
        (3, 4, 6, 3), 3, first_shortcut=True
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_torchvision_weights_load_and_give_torchvisions_features(torchvision, name):
    theirs = torchvision.models.get_model(name).eval()
    ours = ResNet(name, channels=3, stem="imagenet").eval()
    ours.load_torchvision(theirs.state_dict())
    theirs.fc = nn.Identity()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


def test_weights_of_another_depth_are_refused():
    state = ResNet("resnet34", channels=3, stem="imagenet", width=4).state_dict()
    with pytest.raises(InputError, match=r"these weights do not fit: .* Choose the depth and stem"):
        ResNet("resnet18", channels=3, stem="imagenet", width=4).load_torchvision(state)


@pytest.mark.parametrize("channels", [1, 4, 15, 16, 24])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_narrow_shortcut_is_the_strided_convolution_without_its_stride(channels, layout):
    made = resnet._shortcut(channels, 8, 2)[0]
    plain = nn.Conv2d(channels, 8, 1, stride=2, bias=False)
    assert made.state_dict().keys() == plain.state_dict().keys()
    assert isinstance(made, resnet.Pointwise) == (channels < 16)
    made.weight = plain.weight
    made, plain = made.double(), plain.double()
    images = torch.randn(3, channels, 7, 6, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    found, right = (torch.autograd.grad(f(images).sin().sum(), (images, plain.weight)) for f in (made, plain))
    torch.testing.assert_close(made(images), plain(images))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other)


STEPS = """
import torch
from contrascope.encoders import resnet
from contrascope.encoders.resnet import ResNet
torch.set_num_threads(1)
trunk = ResNet("resnet18", channels=3, stem="cifar", width=4).to(memory_format=torch.channels_last)
images = torch.rand(32, 3, 16, 16).contiguous(memory_format=torch.channels_last)
for _ in range(4):
    trunk(images).square().mean().backward()
    others = [torch.zeros(size) for size in (10, 100, 1000, 5000)]
print("whole")
"""


def test_narrow_networks_leave_memory_whole_on_a_processor_with_avx2_alone():
    # glibc's checks end the process where something wrote beyond what was its own
    library = next(iter(Path("/usr/lib").glob("*/libc_malloc_debug.so.0")), None)
    more = {} if library is None else {"LD_PRELOAD": str(library), "MALLOC_CHECK_": "3"}
    limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        env=os.environ | limits | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["whole"], done.stderr[-2000:]
