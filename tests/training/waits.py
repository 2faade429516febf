"""Steps on the meta device, which has shapes and no numbers: what would make the host wait for a GPU stops here."""

import contextlib
from dataclasses import replace
from unittest import mock

import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.methods.build import build_method
from contrascope.methods.settings import discover
from contrascope.training.settings import OptimSettings, TrainingSettings
from contrascope.training.step import Stepper
from contrascope.training.views import ImageViews

META = torch.device("meta")
IMAGES, BATCH, SIDE = 32, 16, 8
READS = (
    "_local_scalar_dense",
    "item",
    "nonzero",
    "masked_select",
    "is_nonzero",
    "equal",
    "bincount",
    "_unique2",
)
"""Operations after which the host has a number, or a size, that the device has computed."""


class HostWaitsError(AssertionError):
    """An operation that waits for the device."""


def _staying(name):
    """`torch.tensor` that refuses to send: what it does is not dispatched, so the mode does not see it."""
    make = getattr(torch, name)

    def made(*args, device=None, **kwargs):
        if device is not None and torch.device(device).type == "meta":
            raise HostWaitsError(f"torch.{name} sends numbers to the device")
        return make(*args, device=device, **kwargs)

    return made


class NoWaiting(TorchDispatchMode):
    """Refuses operations that hand numbers to the host, or send them to the device, while it is on."""

    def __enter__(self):
        self.patches = [mock.patch(f"torch.{name}", _staying(name)) for name in ("tensor", "as_tensor")]
        for patch in self.patches:
            patch.start()
        return super().__enter__()

    def __exit__(self, *what):
        for patch in self.patches:
            patch.stop()
        return super().__exit__(*what)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        if name in READS or name.startswith(("unique", "linalg_eig", "linalg_cholesky.")):
            raise HostWaitsError(f"{name} hands numbers to the host")
        flat = torch.utils._pytree.tree_leaves((args, kwargs or {}))
        given = [one for one in flat if isinstance(one, torch.Tensor)]
        if name in ("index", "index_put", "index_put_") and any(
            one.dtype == torch.bool for one in args[1] if one is not None
        ):
            raise HostWaitsError(f"{name} by a mask: its size is the device's to say")
        if name == "repeat_interleave" and func._overloadname == "Tensor":
            raise HostWaitsError("repeat_interleave by a tensor")
        places = {
            one.device.type for one in given if one.ndim
        }  # a lone number of the host is part of the call
        if len(places) > 1:
            raise HostWaitsError(f"{name} of tensors on {sorted(places)}")
        found = func(*args, **(kwargs or {}))
        made = found if isinstance(found, torch.Tensor) else None
        if made is not None and made.device.type == "meta":
            if "cpu" in places:
                raise HostWaitsError(f"{name} sends {tuple(made.shape)} numbers to the device")
        elif made is not None and "meta" in places:
            raise HostWaitsError(f"{name} fetches from the device")
        return found


class Somewhere(torch.autocast):
    """Autocast, which knows no meta device: that of the CPU there."""

    def __init__(self, device_type, *args, **kwargs):
        super().__init__("cpu" if device_type == "meta" else device_type, *args, **kwargs)


def small(name):
    """A method of this name around a small network, on the CPU, and the number of channels that it sees."""
    torch.manual_seed(0)
    info, head = discover()[name], ProjectorSettings(hidden=(8,), out=8)
    settings = info.small_settings
    changes = {key: head for key in ("projector", "predictor") if hasattr(settings, key)}
    asked = {} if info.small_run is None else info.small_run.encoder
    network = {"name": "convnet", "width": 4, "gray": bool(asked.get("gray"))}
    if asked.get("name") == "vit-tiny":
        network = {"name": "vit-tiny", "width": 12, "depth": 1, "patch": 2}
    encoder = build_encoder(EncoderSettings(**network), channels=3, size=SIDE)
    return build_method(replace(settings, **(changes | dict(info.small))), encoder)


def maker_for(method, policy="simclr", labels=IMAGES):
    policies = build_policy(PolicySettings(name=policy), channels=3, size=SIDE)
    return ImageViews(policies, method.plan(2), seed=0, labels=torch.arange(labels) % 3)


def stepper_on(device, method, maker, optimiser="lars", **training):
    """Takes steps as the loop does, without accelerate, which knows no meta device."""
    accelerator = mock.Mock(
        spec=Accelerator,
        num_processes=1,
        device=device,
        prepare_model=lambda network: network,
        backward=lambda loss: loss.backward(),
        no_sync=lambda network: contextlib.nullcontext(),
    )
    settings = TrainingSettings(batch_size=BATCH, **training)
    stepper = Stepper(
        method, maker, training=settings, optim=OptimSettings(name=optimiser, lr=0.1), accelerator=accelerator
    )
    stepper.wrap()
    return stepper


def pixels(device="cpu"):
    return torch.randint(
        0, 256, (IMAGES, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).to(device)
