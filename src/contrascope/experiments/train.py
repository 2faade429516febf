"""One training run in one folder: open, build, train, assess, record."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.augment.presets import PolicySettings, build_policy
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.encoders.build import build_encoder
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.experiments.assess import Rows, assess, knn_probe
from contrascope.experiments.geometry_probe import GeometryProbe
from contrascope.experiments.monitor import Monitor
from contrascope.experiments.run_folder import claim, record_start
from contrascope.experiments.settings import RunSettings
from contrascope.methods.base import Method
from contrascope.methods.registry import build_method
from contrascope.reports.notebook import run_html
from contrascope.settings import from_json, to_json
from contrascope.training.checkpoint import read_weights
from contrascope.training.loop import fit
from contrascope.training.probe import Probe
from contrascope.training.track import check_trackers

RANDOM_SEED_OFFSET = 1_000_003
"""The random encoder is drawn with the run's seed plus this, so it is not the trained one's start."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished or unfinished run, read back from its folder."""

    path: Path
    settings: RunSettings
    method: Method
    step: int

    @property
    def encoder(self) -> nn.Module:
        """The encoder at the newest checkpoint."""
        return self.method.encoder

    def _repr_html_(self) -> str:
        return run_html(self.path, step=self.step)


def train(settings: RunSettings, out: Path, *, resume: bool = False) -> Rows:
    """Train in folder `out` and assess; returns the table of scores (empty for unlabelled images).

    Raises `InputError` if the folder already holds a run and `resume` is not set, if another process holds it,
    or if it was started with other settings.
    """
    check_trackers(settings.training.trackers)
    accelerator = Accelerator(mixed_precision="no")
    if not accelerator.is_main_process:
        return _train(settings, out, accelerator)
    with records.hold(out):
        claim(settings, out, resume=resume)
        return _train(settings, out, accelerator)


def build(settings: RunSettings, shape: tuple[int, int, int], *, seed: int | None = None) -> Method:
    """Networks and method of a run for images of `shape`; weights depend on the seed alone.

    The encoder is made for the clean images' side. Smaller views go in as they are: they cost less, and
    features of the larger clean images gain from it (Touvron et al. 2019, arXiv:1906.06423). Where views are
    larger, the encoder brings clean images to their side; docs/decisions/0001 has the numbers.
    """
    channels, height, width = shape
    side, views = min(height, width), settings.policy.size
    encoder_settings = settings.encoder
    if views is not None and views > side and encoder_settings.resize is None:
        encoder_settings = replace(encoder_settings, resize=views)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(settings.training.seed if seed is None else seed)
        encoder = build_encoder(encoder_settings, channels=channels, size=side)
        if views is not None:
            encoder.check_size(views)
        return build_method(settings.method, encoder)


def load_run(path: Path, *, step: int | None = None) -> Run:
    """The settings of a run and its newest weights, or those of the checkpoint at `step`."""
    settings = from_json(RunSettings, records.read_json(path / records.SETTINGS))
    found = dict(records.checkpoint_folders(path))
    if not found:
        raise InputError(f"{path} has no checkpoint yet. Train on with: contrascope train {path} --resume")
    chosen = max(found) if step is None else step
    if chosen not in found:
        raise InputError(
            f"{path} has no checkpoint at step {step}; it has {', '.join(map(str, sorted(found)))}."
        )
    facts = records.read_json(path / records.ENVIRONMENT)
    method = build(settings, tuple(facts["image_shape"]))
    read_weights(found[chosen], method)
    return Run(path=path, settings=settings, method=method.eval(), step=chosen)


def open_run(folder: Path | str, *, step: int | None = None) -> Run:
    """A run to look at in a notebook and to take `encoder` from; raises `InputError` where there is no checkpoint."""
    return load_run(Path(folder).expanduser(), step=step)


def random_twin_of(run: Run) -> Method:
    """The run's networks with random weights that no training touched, in evaluation mode."""
    facts = records.read_json(run.path / records.ENVIRONMENT)
    seed = run.settings.training.seed + RANDOM_SEED_OFFSET
    return build(run.settings, tuple(facts["image_shape"]), seed=seed).eval()


def policies_for(settings: PolicySettings, images: ImageSet) -> tuple[Policy, ...]:
    """The policies of the settings for these images: views of the images' side unless a side is set."""
    return build_policy(settings, channels=images.shape[0], size=min(images.shape[1:]))


def assess_run(
    run: Run, data: DataSettings, protocol: Protocol, *, device: torch.device | str = "cpu"
) -> Rows:
    """Scores of a run's encoder on any data, beside a random encoder of the same architecture and raw pixels."""
    twin = random_twin_of(run).encoder
    projector = run.method.projector if protocol.features == "z" else None
    return assess(run.encoder, projector, data, protocol, random_encoder=twin, device=device)


def _train(settings: RunSettings, out: Path, accelerator: Accelerator) -> Rows:
    images = open_images(settings.data)
    method = build(settings, images.shape)
    if accelerator.is_main_process:
        record_start(out, images, device=accelerator.device, processes=accelerator.num_processes)
    accelerator.wait_for_everyone()
    policies = policies_for(settings.policy, images)
    fit(
        method,
        images.to(accelerator.device),
        policies,
        run=out,
        training=settings.training,
        optim=settings.optim,
        schedule=settings.schedule,
        accelerator=accelerator,
        probes=_probes(settings, images, policies, accelerator.device),
        config=to_json(settings),
    )
    if not accelerator.is_main_process or images.y is None:
        return []
    rows = assess_run(load_run(out), settings.data, settings.protocol, device=accelerator.device)
    records.write_json(out / records.EVALUATION, {"rows": rows, "protocol": to_json(settings.protocol)})
    return rows


def _probes(
    settings: RunSettings, images: ImageSet, policies: tuple[Policy, ...], device: torch.device
) -> tuple[Probe, ...]:
    training, seed = settings.training, settings.training.seed
    knn = knn_probe(images, settings.protocol, every=training.probe_every, device=device)
    found: list[Probe] = [] if knn is None else [knn]
    if settings.monitor.times:
        found.append(
            Monitor(
                images,
                policies,
                build(settings, images.shape, seed=seed + RANDOM_SEED_OFFSET),
                method=settings.method,
                settings=settings.monitor,
                epochs=training.epochs,
                seed=seed,
                device=device,
            )
        )
    if settings.geometry.times:
        found.append(
            GeometryProbe(
                images, policies, settings=settings.geometry, epochs=training.epochs, seed=seed, device=device
            )
        )
    return tuple(found)
