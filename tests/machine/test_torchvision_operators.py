"""Encoders of timm, torchvision and transformers for real, in a process of their own, beside any build of torch."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import contrascope
from contrascope.machine import torchvision_operators

SOURCE = str(Path(contrascope.__file__).parents[1])
FORWARD = """
import sys, torch
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
encoder = build_encoder(EncoderSettings(name=sys.argv[1]), channels=int(sys.argv[2]), size=32).eval()
h = encoder(torch.rand(2, int(sys.argv[2]), 32, 32))
h.sum().backward()
assert h.isfinite().all() and h.shape == (2, encoder.dim), h.shape
print(encoder.dim, sum(p.grad is not None for p in encoder.parameters()) > 0)
"""


def run(text, *words):
    path = os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", text, *words],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "channels", "dim"),
    [
        ("torchvision:squeezenet1_1", "3", None),
        ("torchvision:mobilenet_v3_small", "3", 1024),
        ("torchvision:shufflenet_v2_x0_5", "3", 1024),
        ("timm:resnet10t", "1", 512),
        ("timm:vit_tiny_patch16_224", "3", None),
        ("timm:mobilenetv3_small_050", "3", 1024),
    ],
)
def test_a_foreign_encoder_is_built_and_runs_in_a_fresh_process(name, channels, dim):
    if find_spec(name.partition(":")[0]) is None:
        pytest.skip(f"{name.partition(':')[0]} is not installed")
    done = run(FORWARD, name, channels)
    if dim is None:  # its head is no fully connected layer, or it is made for another side: one sentence
        assert done.returncode != 0
        assert "contrascope.errors.InputError" in done.stderr
    else:
        assert done.stdout.split() == [str(dim), "True"], done.stderr[-2000:]


@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
def test_transformers_models_that_ask_for_torchvision_import():
    text = """
from contrascope.encoders.foreign import _package
transformers = _package("hf")
small = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
config = transformers.ViTConfig(**small, image_size=16, patch_size=8)
print(type(transformers.AutoModel.from_config(config)).__name__)
"""
    assert run(text).stdout.split() == ["ViTModel"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in place of torchvision; what is in its folder is for the test to say."""
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    torchvision_operators.complete_torchvision.cache_clear()
    yield tmp_path / "torchvision"
    torchvision_operators.complete_torchvision.cache_clear()


class Noted:
    """What would be declared."""

    def __init__(self, *named):
        self.said = list(named)

    def define(self, schema):
        self.said.append(schema.partition("(")[0])


class NoOperators:
    """`torch.ops.torchvision` before anything is declared."""


@pytest.mark.parametrize("compiled", ["_C.so", "_C_stable.so", "_C.pyd", None])
def test_operators_that_do_not_load_or_are_not_there_are_declared(package, compiled, monkeypatch):
    if compiled is not None:
        (package / compiled).write_bytes(b"of another build")
    monkeypatch.setattr(torch.library, "Library", Noted)
    monkeypatch.setattr(torch.ops, "torchvision", NoOperators(), raising=False)
    monkeypatch.setattr(torchvision_operators, "_declared", held := [])
    assert torchvision_operators.complete_torchvision()
    assert [one.said for one in held] == [["torchvision", "FRAGMENT", "nms", "qnms"]]


def test_operators_that_load_are_left_alone(package, monkeypatch):
    (package / "_C.so").write_bytes(b"of this build")
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    monkeypatch.setattr(torch.library, "Library", lambda *_: pytest.fail("declared twice"))
    assert not torchvision_operators.complete_torchvision()


def test_without_torchvision_or_with_one_imported_nothing_is_done(package, monkeypatch):
    monkeypatch.setattr(torch.library, "Library", lambda *_: pytest.fail("declared"))
    monkeypatch.setitem(sys.modules, "torchvision", torch)
    assert not torchvision_operators.complete_torchvision()
    torchvision_operators.complete_torchvision.cache_clear()
    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.setattr(torchvision_operators.importlib.util, "find_spec", lambda name: None)
    assert not torchvision_operators.complete_torchvision()
