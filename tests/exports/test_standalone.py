"""model.py: the network of an export without contrascope; and every export opens where a run does."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from contrascope.cli import main
from contrascope.encoders.foreign import Foreign, HuggingFaceTrunk
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import blueprint, load_encoder
from contrascope.exports.layouts import layout_of
from contrascope.exports.standalone import FILE, has_file, model_file
from contrascope.exports.weights import write_weights
from contrascope.runs.start import start_weights
from contrascope.subjects.open import kind_of, open_subject

ALONE = """
import sys

class Absent:
    def find_spec(self, name, *more):
        if name.partition(".")[0] in ("contrascope", "timm", "transformers", "torchvision", "jaxtyping"):
            raise ModuleNotFoundError(f"{name} is not here")

sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
import torch
from safetensors.torch import load_file, save_file
from model import load

torch.set_num_threads(1)
with torch.no_grad():
    save_file({"h": load()(load_file(sys.argv[2])["images"])}, sys.argv[3])
assert "contrascope" not in sys.modules
"""
NETWORKS = [
    ("convnet", {"width": 4, "mean": (0.3,), "std": (0.2,)}, 1, "timm"),
    ("convnet", {"width": 4, "gray": True, "resize": 20}, 3, "hf"),
    ("vit-tiny", {"width": 24, "depth": 2}, 3, "hf"),
    ("resnet18", {"width": 8}, 3, "timm"),
]


def written(make_encoder, folder, name, options, channels, to):
    encoder = make_encoder(name, channels=channels, **options)
    made = blueprint(encoder, EncoderSettings(name=name, **options))
    images = torch.rand(4, channels, 16, 16, generator=torch.Generator().manual_seed(4))
    folder.mkdir()
    return encoder, images, write_weights(encoder, made, to, folder, images)


def alone(folder, images, place):
    """What model.py gives in a process that has torch and safetensors alone."""
    save_file({"images": images}, place / "images.safetensors")
    words = [
        sys.executable,
        "-I",
        "-c",
        ALONE,
        str(folder),
        str(place / "images.safetensors"),
        str(place / "h"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return load_file(place / "h")["h"]


@pytest.mark.parametrize(("name", "options", "channels", "to"), NETWORKS)
def test_the_network_alone_and_our_own_opening_give_the_same(
    make_encoder, tmp_path, name, options, channels, to
):
    encoder, images, found = written(make_encoder, tmp_path / "out", name, options, channels, to)
    assert FILE in found.layout.remark
    with torch.no_grad():
        expected = encoder(images)
        again = load_encoder(tmp_path / "out")(images)
        subject = open_subject(tmp_path / "out", data=(images * 255).round().byte())
    torch.testing.assert_close(alone(tmp_path / "out", images, tmp_path), expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(again, expected)
    assert (subject.origin.kind, subject.origin.shape) == ("export", (channels, 16, 16))
    assert not torch.equal(subject.twin.encoder(images), expected)
    tensors = start_weights(tmp_path / "out").tensors
    assert all(torch.equal(tensors[name], value) for name, value in encoder.trunk.state_dict().items())


def test_the_file_holds_the_source_of_the_network_and_nothing_of_ours(make_encoder):
    encoder = make_encoder("convnet", width=4)
    text = model_file(
        encoder.trunk, blueprint(encoder, EncoderSettings(name="convnet", width=4)), encoder.dim
    )
    code = text.split('"""', 2)[2]
    assert "contrascope" not in code
    assert ">>>" not in code
    assert "Float[" not in code
    compile(text, FILE, "exec")
    assert not has_file(nn.Linear(2, 2))


@pytest.mark.usefixtures("torchvision_operators")
@pytest.mark.parametrize(("name", "to"), [("resnet18", "hf"), ("vit-tiny", "timm")])
def test_weights_in_the_names_of_a_library_open_here_too(make_encoder, tmp_path, name, to):
    pytest.importorskip("transformers" if to == "hf" else "timm")
    options = {"width": 8, "stem": "imagenet"} if to == "hf" else {"width": 24, "depth": 2}
    encoder, images, found = written(make_encoder, tmp_path / "out", name, options, 3, to)
    assert found.layout.names
    assert set(load_file(tmp_path / "out" / "model.safetensors")) != set(encoder.trunk.state_dict())
    with torch.no_grad():
        assert torch.equal(load_encoder(tmp_path / "out")(images), encoder(images))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("torchvision_operators")
def test_a_network_of_transformers_goes_back_into_its_own_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    from contrascope.encoders.build import wrap_encoder

    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=4,
    )
    made = Foreign(trunk=HuggingFaceTrunk(transformers.ViTModel(config), use_pooler=False))
    encoder = wrap_encoder(made.trunk, size=16, mean=(0.5,) * 3, std=(0.5,) * 3).eval()
    images, settings = torch.rand(3, 3, 16, 16), EncoderSettings(name="hf:/gone", pretrained=True)
    for to in ("hf", "safetensors"):
        folder = tmp_path / to
        folder.mkdir()
        write_weights(encoder, blueprint(encoder, settings), to, folder, images)
        assert json.loads((folder / "config.json").read_text())["model_type"] == "vit"
        with torch.no_grad():
            torch.testing.assert_close(load_encoder(folder)(images), encoder(images), rtol=1e-6, atol=1e-6)
    code = layout_of(encoder, blueprint(encoder, settings), "hf").code
    assert "h = output.last_hidden_state.mean(dim=1)" in code


def test_code_in_a_folder_is_not_run_and_damage_is_named(make_encoder, tmp_path, capsys, monkeypatch):
    written(make_encoder, tmp_path / "out", "convnet", {"width": 4}, 3, "timm")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / FILE).write_text("open('harmed', 'w').close()")
    assert kind_of(tmp_path / "out") == "export"
    words = ["embed", str(tmp_path / "out"), "scenes", "--data.count", "20", "--out", "rows.npy", "--quiet"]
    assert main([*words, "--device", "cpu"]) == 0
    assert not (tmp_path / "harmed").exists()
    capsys.readouterr()
    assert main(["diagnose", str(tmp_path / "out"), "--quiet"]) == 2
    assert "has no images of its own; name some" in capsys.readouterr().err
    told = tmp_path / "out" / "encoder.json"
    known = json.loads(told.read_text())
    told.write_text(json.dumps(known | {"names": {"units.0.conv.weight": "elsewhere"}}))
    with pytest.raises(InputError, match=r"lacks elsewhere, which encoder\.json names"):
        load_encoder(tmp_path / "out")
    told.write_text(json.dumps(known | {"names": [1]}))
    with pytest.raises(InputError, match="names that are no words"):
        load_encoder(tmp_path / "out")
    known["settings"]["name"] = "harm:Encoder"
    (tmp_path / "harm.py").write_text("open('harmed', 'w').close()")
    told.write_text(json.dumps(known))
    with pytest.raises(InputError, match="harm"):
        load_encoder(tmp_path / "out")
    assert not (tmp_path / "harmed").exists()
