"""Recipes as this machine takes them: in the arithmetic that the device is fast at."""

from dataclasses import replace
from typing import TypeVar

import torch

from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.machine.device import default_device
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.runs.text_settings import AnyRunSettings

AnySettings = TypeVar("AnySettings", bound=AnyRunSettings)


def recipe_here(name: str, device: torch.device | None = None) -> RunSettings:
    """Settings of a recipe as `contrascope train` begins with them on this machine.

    >>> recipe_here("digits-simclr").data.source
    'digits'
    """
    return suited(find_recipe(name).make(), device)


def suited(settings: AnySettings, device: torch.device | None = None) -> AnySettings:
    """A recipe's settings with float32 in place of bf16 where the device multiplies bf16 more slowly.

    >>> from contrascope.runs.recipes import digits_simclr
    >>> suited(digits_simclr()) == digits_simclr()  # float32 everywhere
    True
    """
    if settings.training.precision != "bf16" or multiplies_bf16((device or default_device()).type):
        return settings
    return replace(settings, training=replace(settings.training, precision="float32"))
