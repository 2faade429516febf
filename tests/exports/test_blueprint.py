import json

import pytest
import torch

from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import (
    blueprint,
    load_encoder,
    rebuilt,
    save_blueprint,
    save_tensors,
    trunk_tensors,
)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("convnet", {"width": 4, "mean": (0.4914, 0.4822, 0.4465), "std": (0.247, 0.2435, 0.2616)}),
        ("resnet18", {"width": 8, "stem": "imagenet"}),
        ("vit-tiny", {"width": 12, "patch": 4}),
        ("convnet", {"width": 4, "resize": 12}),
        ("convnet", {"width": 4, "gray": True}),
    ],
)
def test_an_encoder_comes_back_bit_for_bit_from_its_folder(make_encoder, images, tmp_path, name, options):
    encoder = make_encoder(name, **options)
    made = blueprint(encoder, EncoderSettings(name=name, **options))
    save_tensors(trunk_tensors(encoder), tmp_path)
    save_blueprint(made, tmp_path)
    state = torch.random.get_rng_state()
    found = load_encoder(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(found(images), encoder(images))
    assert not found.training
    if "mean" in options:
        assert json.loads((tmp_path / "encoder.json").read_text())["settings"]["mean"] == [
            0.4914,
            0.4822,
            0.4465,
        ]


def test_every_choice_is_made_in_a_blueprint(make_encoder):
    made = blueprint(make_encoder("resnet18", width=8), EncoderSettings(name="resnet18", width=8))
    assert made.settings.stem == "cifar"
    assert made.settings.mean == (0.485, 0.456, 0.406)
    assert (made.size, made.side, made.channels) == (16, 16, 3)
    resized = blueprint(make_encoder(width=4, resize=24), EncoderSettings(name="convnet", width=4))
    assert (resized.settings.resize, resized.side, resized.size) == (24, 24, 16)


def test_weights_that_do_not_fit_and_folders_that_are_none_are_refused(make_encoder, tmp_path):
    with pytest.raises(InputError, match=r"no encoder\.json"):
        load_encoder(tmp_path)
    encoder = make_encoder(width=4)
    made = blueprint(encoder, EncoderSettings(name="convnet", width=4))
    save_blueprint(made, tmp_path)
    with pytest.raises(InputError, match=r"no model\.safetensors in .*: is this the folder of an export"):
        load_encoder(tmp_path)
    tensors = trunk_tensors(encoder)
    (key, *_) = tensors
    save_tensors({name: value for name, value in tensors.items() if name != key}, tmp_path)
    with pytest.raises(InputError, match=rf"(?s)does not fit encoder\.json: .*{key}"):
        load_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text('{"settings": {"kind": "EncoderSettings"}}')
    with pytest.raises(InputError, match=r"encoder\.json lacks channels, size"):
        load_encoder(tmp_path)
    with pytest.raises(RuntimeError, match="Missing key"):
        rebuilt(made, {})
