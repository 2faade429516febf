import importlib
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from contrascope.errors import InputError, MissingExtraError
from contrascope.exports.onnx_model import write_onnx

pytestmark = pytest.mark.filterwarnings("ignore")  # of the exporter's own packages


@pytest.fixture
def runtime():
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    return pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("convnet", {"width": 4}),
        ("convnet", {"width": 4, "gray": True}),
        pytest.param("resnet18", {"width": 8}, marks=pytest.mark.slow),
        pytest.param("vit-tiny", {"width": 12, "patch": 4}, marks=pytest.mark.slow),
    ],
)
def test_onnxruntime_gives_the_encoders_output_for_any_batch(
    runtime, make_encoder, images, tmp_path, name, options
):
    encoder = make_encoder(name, **options)
    difference = write_onnx(encoder, images, tmp_path / "model.onnx")
    assert difference < 1e-4
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    for batch in (1, 3, 5):
        h = session.run(["h"], {"images": images[:batch].numpy()})[0]
        expected = encoder(images[:batch]).detach().numpy()
        assert np.abs(h - expected).max() < 1e-4 * max(1, np.abs(expected).max())


class Moody(nn.Module):
    """What it gives depends on whether it is traced: the exporter freezes the other answer."""

    def forward(self, images):
        h = images.flatten(1)
        return h + 1.0 if torch.compiler.is_exporting() else h


def test_a_file_that_differs_is_removed_and_the_difference_told(runtime, images, tmp_path):
    with pytest.raises(InputError, match=r"ONNX file differs from the encoder by 1, more than 0\.0001"):
        write_onnx(Moody(), images, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_encoder_itself_is_left_as_it_was(runtime, make_encoder, images, tmp_path):
    encoder = make_encoder(width=4).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_onnx(encoder, images[:1], tmp_path / "model.onnx")
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_missing_package_names_the_extra(make_encoder, images, tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'contrascope\[onnx\]'"):
        write_onnx(make_encoder(width=4), images, tmp_path / "model.onnx")
