import json

import pytest
import torch

from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy_file import in_place_of, named_policy, read_policy, write_policy
from contrascope.augment.presets import PRESETS, build_policy, preset
from contrascope.augment.settings import ListedPolicy, PolicySettings
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
    assert all(isinstance(op, AbstractOp) for op in read.ops)
    images = pictures(4, 3, 20, 20, dtype=torch.uint8)
    keyed = {"ids": torch.arange(4), "seed": 1, "epoch": 2}
    ours, _ = make_views(images, build_policy(read, channels=3), **keyed)
    theirs, _ = make_views(images, preset(name, size=16)[0], **keyed)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["byol", "barlow-twins"])
def test_a_pair_with_two_sides_survives_a_file_and_makes_the_same_views(tmp_path, pictures, name):
    sides = tuple(ListedPolicy(name=one.name, ops=one.ops) for one in preset(name, size=16))
    settings = PolicySettings(name="mine", policies=sides)
    read = read_policy(write_policy(tmp_path / "pair.json", settings))
    assert read == settings == from_json(PolicySettings, to_json(settings))
    images = pictures(4, 3, 20, 20, dtype=torch.uint8)
    keyed = {"ids": torch.arange(4), "seed": 1, "epoch": 2, "num_views": 3}
    ours, _ = make_views(images, build_policy(read, channels=3), **keyed)
    theirs, _ = make_views(images, preset(name, size=16), **keyed)
    assert torch.equal(ours, theirs)


def test_a_pair_by_hand_may_mix_operations_and_presets_and_the_third_view_is_of_the_first(tmp_path, pictures):
    first = {"ops": [{"kind": "Invert", "p": 1}]}
    path = written(tmp_path / "two.json", {"policies": [first, {"name": "e", "kind": "PolicySettings"}]})
    policies = build_policy(read_policy(path), channels=1, size=8)
    assert [one.name for one in policies] == ["two 1", "e"]
    images = pictures(2, 1, 8, 8)
    views, _ = make_views(images, policies, ids=torch.arange(2), seed=0, epoch=0, num_views=3)
    torch.testing.assert_close(views[0], 1 - images)
    assert torch.equal(views[0], views[2])
    assert all(
        torch.equal(one, image) or torch.equal(one, image.flip(2))
        for one, image in zip(views[1], images, strict=True)
    )


def test_crops_of_both_sides_take_the_recipes_size(tmp_path):
    crop = {"ops": [{"kind": "RandomResizedCrop"}]}
    path = written(tmp_path / "two.json", {"policies": [crop, {"name": "moco-v2"}]})
    given = in_place_of(PolicySettings(size=12), path)
    assert [one.ops[0].size for one in build_policy(given, channels=3, size=24)] == [12, 12]


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
        ({"policies": []}, "neither operations nor the name of a preset"),
        ({"policies": {}}, r"policies is {}; expected a list of policies"),
        ({"policies": [3]}, r"policies\[0\] holds a int; expected an object"),
        ({"policies": [{}]}, r"policies\[0\] has no operations; expected a list `ops`"),
        ({"policies": [{"name": "x", "ops": []}]}, r"policies\[0\] has no operations"),
        (
            {"policies": [{"name": "ae"}, {"ops": [{"kind": "Flip"}]}]},
            r"policies\[1\]\.ops\[0\]\.kind is 'Flip'",
        ),
        ({"policies": [{"name": "byol"}]}, r"policies\[0\]: preset 'byol' is a pair itself"),
        ({"policies": [{"name": "byool"}]}, "unknown policy 'byool'"),
        ({"policies": [{"name": "a", "size": 8}]}, r"policies\[0\] has a size.*beside `policies`"),
        (
            {"policies": [{"ops": [{"kind": "Invert"}], "strength": 1}]},
            r"policies\[0\]\.strength is not a setting",
        ),
        ({"ops": [{"kind": "Invert"}], "policies": [{"name": "a"}]}, "both `ops` and `policies`"),
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
    with pytest.raises(InputError, match="is no JSON that can be read"):
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


def test_listed_policies_take_no_strength_no_operations_beside_them_and_no_foreign_channels():
    pair = (
        ListedPolicy(name="x", ops=(HorizontalFlip(),)),
        ListedPolicy(name="y", ops=preset("simclr")[0].ops),
    )
    with pytest.raises(InputError, match=r"fixed colour values; got strength=0\.5"):
        build_policy(PolicySettings(name="mine", strength=0.5, policies=pair), channels=3)
    with pytest.raises(InputError, match="'mine' has both `ops` and `policies`"):
        build_policy(PolicySettings(name="mine", ops=pair[0].ops, policies=pair), channels=3)
    with pytest.raises(InputError, match="policy 'mine' got images with 4 channels"):
        build_policy(PolicySettings(name="mine", policies=pair), channels=4)
