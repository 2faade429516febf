"""Views of the first epochs at a side of their own: which epochs, which pixels, and what is refused."""

from dataclasses import replace

import pytest
import torch

from contrascope.augment.settings import PolicySettings
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings
from contrascope.errors import InputError
from contrascope.runs.build import build
from contrascope.runs.load import views_for
from contrascope.runs.recipes import RECIPES
from contrascope.training.settings import ScheduleSettings


def recipe(**schedule):
    settings = RECIPES["digits-simclr"].make()
    return replace(
        settings,
        data=DataSettings(source="shapes"),
        policy=PolicySettings(name="simclr-cifar", size=24),
        training=replace(settings.training, epochs=10),
        schedule=replace(settings.schedule, **schedule),
    )


def made(settings, epoch):
    images = open_images(settings.data)
    maker = views_for(settings, build(settings, images.shape), images)
    ids = torch.arange(4)
    return maker(images.gather(ids), ids=ids, epoch=epoch).only


@pytest.mark.parametrize(("share", "first_large"), [(0.5, 5), (0.25, 2), (0.0, 0), (1.0, 10)])
def test_the_first_share_of_the_epochs_has_the_small_views(share, first_large):
    settings = recipe(early_size=16, early_share=share)
    sides = [made(settings, epoch).shape[-1] for epoch in range(10)]
    assert sides == [16] * first_large + [24] * (10 - first_large)


def test_small_and_large_views_are_those_of_runs_that_see_one_side_alone():
    grown = recipe(early_size=16)
    small = replace(recipe(), policy=replace(grown.policy, size=16))
    assert torch.equal(made(grown, 4), made(small, 4))
    assert torch.equal(made(grown, 5), made(recipe(), 5))


def test_without_an_early_side_every_epoch_is_alike():
    assert {made(recipe(early_share=1.0), epoch).shape[-1] for epoch in (0, 9)} == {24}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"early_size": 0}, "early_size is 0; expected 1 px or more"),
        ({"early_size": 16, "early_share": 1.5}, "early_share is 1.5; expected a share of the epochs"),
    ],
)
def test_impossible_sides_and_shares_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        ScheduleSettings(**wrong)


def test_an_early_side_that_the_encoder_cannot_take_is_refused_before_training():
    settings = replace(recipe(early_size=15), encoder=EncoderSettings(name="vit-tiny", patch=4))
    with pytest.raises(InputError, match="15"):
        build(settings, (3, 32, 32))
