"""The recipes for anyone's images, which fit themselves to them."""

from dataclasses import replace

from contrascope.augment.settings import PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.method_recipes import MUON
from contrascope.runs.settings import ImageFacts, RunSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings


def folder_plain() -> RunSettings:
    """A loss of your choice on anyone's images; sizes are chosen by `fit_to_folder`."""
    return replace(folder_simclr(), method=PlainSettings())


def folder_simclr() -> RunSettings:
    """SimCLR on anyone's images; sizes are chosen by `fit_to_folder`."""
    return RunSettings(
        data=DataSettings(source="."),
        method=SimCLRSettings(temperature=0.2, projector=ProjectorSettings(hidden=(512,), out=128)),
        optim=OptimSettings(name="adamw", lr=1e-3, weight_decay=1e-4),
        schedule=ScheduleSettings(warmup_epochs=1.0),
    )


def fit_to_folder(settings: RunSettings, facts: ImageFacts) -> RunSettings:
    """Image side, encoder, batch, epochs and precision from image size, count and device.

    The side is the typical one, at most 224 on a GPU and 64 on a CPU; the batch is the largest power of two
    that leaves 8 steps an epoch, between 16 and 512; epochs make about 20,000 steps on a GPU and 2,000 on a
    CPU, between 10 and 800. Arithmetic is bf16 where the device multiplies it faster; `for_a_cpu` has the rest.
    """
    gpu = facts.device != "cpu"
    side = min(facts.side, 224 if gpu else 64)
    batch = max(
        16, min(512 if gpu else 256, 2 ** ((facts.count // 8).bit_length() - 1 if facts.count >= 8 else 0))
    )
    batch = min(batch, facts.count)
    steps = max(1, facts.count // batch)
    epochs = max(10, min(800, (20_000 if gpu else 2_000) // steps))
    network = ("resnet18" if side <= 96 else "resnet50") if gpu else "convnet"
    fitted = replace(
        settings,
        data=replace(settings.data, size=settings.data.size or side),
        policy=PolicySettings(name="simclr"),
        encoder=EncoderSettings(name=network),
        training=TrainingSettings(
            epochs=epochs,
            batch_size=batch,
            precision="bf16" if facts.bf16 else "float32",
            checkpoint_every=200,
        ),
        protocol=Protocol(k=min(200, max(1, facts.count // 20))),
    )
    return fitted if gpu else for_a_cpu(fitted)


def for_a_cpu(settings: RunSettings) -> RunSettings:
    """Muon, and views of three quarters of the images' side, as in `cifar_cpu`."""
    side = settings.data.size or 0
    views = 3 * side // 4 if side >= SMALLEST else None
    optim = replace(MUON, lr=settings.optim.lr)  # of all that is no kernel, so of a foreign encoder as before
    return replace(settings, policy=replace(settings.policy, size=views), optim=optim)


SMALLEST = 24
"""Side of images whose views are made smaller than they are."""
