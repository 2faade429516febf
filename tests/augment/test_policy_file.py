import json

import pytest
import torch

from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.policy_file import in_place_of, named_policy, read_policy, write_policy
from contrascope.augment.presets import PRESETS, AnyOp, PolicySettings, build_policy, preset
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.settings import from_json, to_json


def written(path, value):
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_a_file_and_makes_the_same_views(tmp_path, pictures, name):
    ops = preset(name, size=16)[0].ops
    settings = PolicySettings(name=name, ops=ops)
    read = read_policy(write_policy(tmp_path / "deep" / "policy.json", settings))
    assert read == settings
    assert all(isinstance(op, AnyOp) for op in read.ops)
    images = pictures(4, 3, 20, 20, dtype=torch.uint8)
    keyed = {"ids": torch.arange(4), "seed": 1, "epoch": 2}
    ours, _ = make_views(images, build_policy(read, channels=3), **keyed)
    theirs, _ = make_views(images, preset(name, size=16)[0], **keyed)
    assert torch.equal(ours, theirs)


def test_a_short_file_by_hand_takes_defaults_and_the_files_name(tmp_path):
    path = written(tmp_path / "mine.json", {"ops": [{"kind": "RandomResizedCrop", "scale": [0.5, 1]}]})
    settings = read_policy(path)
    assert (settings.name, settings.size, len(settings.ops)) == ("mine", None, 1)
    (one,) = build_policy(settings, channels=3, size=24)
    assert (one.ops[0].scale, one.ops[0].size, one.ops[0].p) == ((0.5, 1.0), 24, 1.0)
    assert one.name == "mine"


def test_a_file_may_name_a_preset(tmp_path):
    path = written(tmp_path / "p.json", {"name": "simclr", "strength": 0.5})
    assert read_policy(path) == PolicySettings(name="simclr", strength=0.5)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "holds a list; expected an object"),
        ({}, "neither operations nor the name of a preset"),
        ({"ops": {}}, "ops is {}; expected a list of operations"),
        (
            {"ops": [{"kind": "HorizontalFlop"}]},
            r"ops\[0\]\.kind is 'HorizontalFlop'.*Did you mean 'HorizontalFlip'",
        ),
        ({"ops": [7]}, r"ops\[0\]\.kind is None"),
        (
            {"ops": [{"kind": "Grayscale"}, {"kind": "HorizontalFlip", "q": 1}]},
            r"ops\[1\]\.q is not a setting",
        ),
        ({"ops": [{"kind": "HorizontalFlip", "p": "often"}]}, r"ops\[0\]\.p is 'often'; expected float"),
        (
            {"ops": [{"kind": "HorizontalFlip", "p": 3}]},
            r"ops\[0\] \(HorizontalFlip\): p is 3\.0; expected a prob",
        ),
        (
            {"ops": [{"kind": "RandomResizedCrop", "scale": [1]}]},
            r"ops\[0\]\.scale has 1 entries; expected 2",
        ),
        ({"ops": [{"kind": "HorizontalFlip"}], "sice": 3}, r"sice is not a setting.*Did you mean 'size'"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, value, said):
    with pytest.raises(InputError, match=said):
        read_policy(written(tmp_path / "p.json", value))


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no policy file .*absent\.json"):
        read_policy(tmp_path / "absent.json")
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        read_policy(tmp_path / "p.json")


def test_a_word_is_a_file_by_its_ending(tmp_path):
    path = written(tmp_path / "p.json", {"ops": [{"kind": "HorizontalFlip"}]})
    assert named_policy(str(path)).ops == (HorizontalFlip(),)
    assert named_policy("simclr", strength=0.5) == PolicySettings(name="simclr", strength=0.5)
    with pytest.raises(InputError, match="is a policy file with values of its own"):
        named_policy(str(path), strength=1.0)
    with pytest.raises(InputError, match=r"A policy file is given as: --policy p\.json"):
        build_policy(PolicySettings(name="p.json"), channels=3)


def test_a_file_leaves_the_side_of_the_views_to_the_recipe(tmp_path):
    open_side = written(tmp_path / "p.json", {"ops": [{"kind": "RandomResizedCrop"}]})
    assert in_place_of(PolicySettings(size=24), open_side).size == 24
    fixed = written(tmp_path / "q.json", {"ops": [{"kind": "RandomResizedCrop"}], "size": 16})
    assert in_place_of(PolicySettings(size=24), fixed).size == 16


def test_listed_operations_take_no_strength_and_refuse_channels_as_presets_do():
    ops = preset("simclr")[0].ops
    with pytest.raises(
        InputError, match=r"lists its operations, with fixed colour values; got strength=0\.5"
    ):
        build_policy(PolicySettings(name="mine", strength=0.5, ops=ops), channels=3)
    with pytest.raises(InputError, match="policy 'mine' got images with 4 channels"):
        build_policy(PolicySettings(name="mine", ops=ops), channels=4)


def test_settings_written_before_operations_existed_are_still_read():
    old = {"kind": "PolicySettings", "name": "ade", "strength": 0.25, "size": None}
    assert from_json(PolicySettings, old) == PolicySettings(name="ade", strength=0.25)
    assert from_json(PolicySettings, to_json(PolicySettings())) == PolicySettings()
