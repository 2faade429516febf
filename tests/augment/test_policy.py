import pytest
import torch

from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.policy import Policy, policy
from contrascope.augment.policy_file import write_policy
from contrascope.augment.presets import PRESETS, policies_of, preset
from contrascope.augment.settings import PolicySettings
from contrascope.augment.warp import Affine
from contrascope.draws import DrawKey
from contrascope.errors import InputError


def test_letters_are_composed_in_the_order_given():
    names = [type(op).__name__ for op in policy("ecab").ops]
    assert names == ["HorizontalFlip", "Grayscale", "RandomResizedCrop", "GaussianBlur"]


def test_strength_is_that_of_colour_distortion():
    jitter = policy("ad", strength=0.25).ops[1]
    assert jitter == ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, p=0.8)


def one_by_one(chosen, images, params):
    images = images / 255
    for op, drawn in zip(chosen.ops, params, strict=True):
        images = op.apply(images, drawn)
    return images


@pytest.mark.parametrize("letters", ["abcde", "aedcb", "ae", "eda", "c"])
def test_a_policy_equals_its_operations_one_by_one(pictures, letters):
    images, chosen = pictures(12, 3, 14, 14, dtype=torch.uint8), policy(letters, size=10)
    params = chosen.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(12)), (3, 14, 14))
    got = chosen.apply(images, params)
    assert (got - one_by_one(chosen, images, params)).abs().max() < 1e-5


def test_a_flip_does_not_move_past_a_rotation(pictures):
    chosen = Policy(ops=(*policy("a").ops, Affine(degrees=30.0), HorizontalFlip(p=1.0)))
    images = pictures(5, 3, 12, 12, dtype=torch.uint8)
    params = chosen.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(5)), (3, 12, 12))
    assert torch.equal(chosen.apply(images, params), one_by_one(chosen, images, params).contiguous()) or (
        (chosen.apply(images, params) - one_by_one(chosen, images, params)).abs().max() < 1e-6
    )


@pytest.mark.parametrize("letters", ["", "aa", "cabbed"])
def test_letters_that_mean_nothing_are_refused(letters):
    with pytest.raises(InputError, match="expected each at most once of: a random resized crop"):
        policy(letters)


def test_a_name_means_what_it_means_to_the_verbs(tmp_path):
    assert policy("simclr", size=24) == preset("simclr", size=24)[0]
    assert policy("huang-2023", strength=0.25) == preset("huang-2023", strength=0.25)[0]
    file = write_policy(
        tmp_path / "mirror.json", PolicySettings(name="mirror", ops=(HorizontalFlip(p=0.25),))
    )
    assert policy(str(file)) == Policy(ops=(HorizontalFlip(p=0.25),), name="mirror")


@pytest.mark.parametrize("name", [name for name in PRESETS if len(preset(name)) == 1])
def test_every_preset_of_one_policy_is_a_name(name):
    assert (policy(name),) == policies_of(PolicySettings(name=name))


def test_names_of_nothing_and_of_several_policies_are_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"unknown policy 'simcrl'; .* or a preset\. Did you mean 'simclr'"):
        policy("simcrl")
    with pytest.raises(
        InputError, match=r"'byol' treats .* so it is 2 policies; .*augment\.preset\('byol'\)"
    ):
        policy("byol")
    with pytest.raises(InputError, match=r"there is no policy file none\.json"):
        policy("none.json")
