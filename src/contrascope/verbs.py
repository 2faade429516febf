"""The commands as functions: each takes a folder, a name, a model, or images and embeddings in memory."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope.advice.advise import Advice
from contrascope.advice.advise import advise as advise_images
from contrascope.advice.settings import AdviseSettings, seconds_of
from contrascope.augment.policy_file import named_policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import Labels, images_from
from contrascope.data.settings import DataSettings
from contrascope.data.sources.memory import NAME
from contrascope.diagnosis.diagnosis import Diagnosis
from contrascope.diagnosis.diagnosis import diagnose as diagnose_arrays
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.gallery.complete import complete
from contrascope.jobs.assess import Rows
from contrascope.jobs.embed import embed_anything
from contrascope.jobs.evaluate import evaluate_anything
from contrascope.jobs.export import ExportSettings, Format, export_run
from contrascope.jobs.train import train as train_in_folder
from contrascope.progress import Progress, Say, silent, unheard
from contrascope.reports.page import write_report
from contrascope.runs.facts import facts_of, look, recipe_here
from contrascope.runs.load import Run, load_run
from contrascope.runs.recipes import find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.subjects.diagnose import diagnose_subject
from contrascope.subjects.open import kind_of, open_subject

Device = torch.device | str | None
"""Where the work is done; None: the first GPU or the CPU, for a model in memory where it lies."""


def train(
    images: Any,
    recipe: str | RunSettings = "folder-simclr",
    *,
    labels: Labels = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: Device = None,
    progress: Progress = silent,
) -> Run:
    """Train an encoder on images from anywhere, by a recipe or your own settings, in a folder of its own.

    `images`: a folder, a name, settings, an array or tensor, or a `datasets.Dataset`. `out`: the run's folder; unset:
    runs/RECIPE-DATE-TIME. What is in memory is not kept in the folder: give it again to measure the run later.

    >>> import tempfile, contrascope
    >>> from contrascope.runs.recipes import digits_simclr
    >>> from contrascope.training.settings import TrainingSettings
    >>> settings = replace(digits_simclr(), training=TrainingSettings(epochs=1, batch_size=16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     contrascope.train(torch.rand(32, 1, 8, 8), settings, out=f"{folder}/run").step
    2
    """
    name = recipe if isinstance(recipe, str) else "settings"
    settings, given = _settings(images, recipe, labels, None if device is None else torch.device(device))
    folder = (
        Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}" if out is None else Path(out).expanduser()
    )
    train_in_folder(settings, folder, resume=resume, images=given, device=device, progress=progress)
    return load_run(folder)


def _settings(
    images: Any, recipe: str | RunSettings, labels: Labels, device: torch.device | None
) -> tuple[RunSettings, ImageSet | None]:
    """The recipe for these images, and the set itself where it is in memory."""
    found = None if isinstance(recipe, RunSettings) else find_recipe(recipe)
    settings = recipe if isinstance(recipe, RunSettings) else recipe_here(recipe, device)
    adapt = None if found is None else found.adapt
    if isinstance(images, str | Path | DataSettings) and (labels is None or isinstance(labels, str)):
        data = images if isinstance(images, DataSettings) else replace(settings.data, source=str(images))
        data = data if labels is None else replace(data, labels=labels)
        settings = replace(settings, data=data)
        return (settings if adapt is None else adapt(settings, look(data, device))), None
    given = images_from(images, labels=labels, settings=replace(settings.data, labels=None, split="train"))
    settings = replace(settings, data=replace(settings.data, source=NAME, labels=None))
    if adapt is not None:
        settings = adapt(settings, facts_of(given, device=device))
        if settings.data.size is not None:
            given = images_from(images, labels=labels, settings=DataSettings(size=settings.data.size))
    return settings, given


def embed(
    thing: Any,
    images: Any = None,
    *,
    labels: Labels = None,
    policy: PolicySettings | str | None = None,
    num_views: int = 1,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
) -> Features:
    """Features `h`, and `z` where there is a projector, of images by a run, an encoder's name or a model.

    Clean images, or `num_views` views by a policy. A run embeds its own images unless others are given.

    >>> import contrascope
    >>> contrascope.embed(torch.nn.Flatten(), torch.rand(5, 1, 8, 8)).h.shape
    torch.Size([1, 5, 64])
    """
    return embed_anything(
        thing,
        images,
        labels=labels,
        policy=_policy(policy),
        num_views=num_views,
        step=step,
        device=device,
        progress=progress,
    )


def evaluate(
    thing: Any,
    data: Any = None,
    *,
    labels: Labels = None,
    protocol: Protocol | None = None,
    step: int | None = None,
    device: Device = None,
    progress: Progress = silent,
    probing: Progress = silent,
) -> Rows:
    """Accuracy of simple classifiers on frozen features, beside the random twin and raw pixels.

    `thing`: a run (on its own images unless others are given), an encoder's name or a model with labelled images,
    arrays with labels, or a file of features with a second one to test on. What has no test split is tested on a
    fifth of its images.

    >>> import contrascope
    >>> h, y = torch.eye(2).repeat(20, 1), [0, 1] * 20
    >>> rows = contrascope.evaluate(h, labels=y, protocol=Protocol(probes=("knn",)))
    >>> rows[0]["name"], rows[0]["value"], rows[0]["split"]
    ('knn', 1.0, 'held-out')
    """
    return evaluate_anything(
        thing,
        None,
        data,
        protocol,
        labels=labels,
        step=step,
        device=device,
        progress=progress,
        probing=probing,
    )


def diagnose(
    h: Any,
    z: Any = None,
    labels: Labels = None,
    *,
    images: Any = None,
    policy: PolicySettings | str | None = None,
    reference: Any = None,
    reference_z: Any = None,
    step: int | None = None,
    settings: DiagnosisSettings | None = None,
    draws: int | None = None,
    seed: int = 0,
    method: Any = None,
    device: Device = None,
    progress: Progress = silent,
) -> Diagnosis:
    """Say whether a representation is sound and learning, without labels, and useful, with a few.

    Of embeddings, a run, a file, an encoder or a model. Embeddings: `diagnose(h, z, labels)`, [n dim] or
    [views n dim]; with `reference`, what the same model gives with random weights for the same views, it can be said
    whether it has learnt. Anything else stands in place of `h`: `diagnose("runs/x")`, `diagnose(model, images,
    policy=...)`; a run has its own images and policy. `draws` and `seed` are of the intervals, in place of `settings`.

    >>> import contrascope
    >>> print(contrascope.diagnose([[0.0, 1.0]] * 30, draws=0).verdict.sound)
    unsound: few distinct rows
    >>> found = contrascope.diagnose(torch.nn.Flatten(), torch.rand(20, 1, 8, 8), policy="digits", draws=0)
    >>> found.verdict.learning.word
    'cannot be told'
    """
    chosen = DiagnosisSettings(seed=seed) if settings is None else settings
    chosen = chosen if draws is None else replace(chosen, draws=draws)
    if kind_of(h) == "arrays" and not isinstance(h, Features):
        if images is not None or policy is not None or isinstance(labels, str):
            raise InputError(
                "embeddings in memory take no images, no policy and no column by name: give labels=VALUES."
            )
        values: Any = labels
        return diagnose_arrays(
            h,
            z,
            values,
            reference=reference,
            reference_z=reference_z,
            method=method,
            draws=chosen.draws,
            seed=chosen.seed,
        )
    if reference is not None or reference_z is not None:
        raise InputError(
            "a reference stands beside embeddings; what has networks makes its own. Leave it out."
        )
    data = z if images is None else images
    subject = open_subject(h, data=data, policy=_policy(policy), labels=labels, step=step)
    return diagnose_subject(subject, settings=chosen, device=device, progress=progress).diagnosis


def advise(
    images: Any,
    *,
    labels: Labels = None,
    budget: str | float | int = "10m",
    base: str = "simclr",
    out: Path | str = "advised-policy.json",
    settings: AdviseSettings | None = None,
    device: Device = None,
) -> Advice:
    """Which augmentation suits these images: a word on every operation, a ranking, and a policy file at `out`.

    `labels`: a column that the advice may use, or labels; unset: none is looked at. `budget`: time for short trainings,
    such as "90s" or "10m", or seconds; 0: none. The same call again goes on.
    """
    column = labels if labels is None or isinstance(labels, str) else "label"
    given = images if labels is None else images_from(images, labels=labels)
    given = given if isinstance(given, DataSettings | ImageSet) else images_from(given)
    return advise_images(
        given,
        labels=column,
        budget=seconds_of(budget) if isinstance(budget, str) else float(budget),
        base=base,
        out=Path(out).expanduser(),
        settings=settings or AdviseSettings(),
        device=device,
    )


def report(
    runs: Path | str | Run | Sequence[Path | str | Run],
    out: Path | str | None = None,
    *,
    gallery: bool = True,
    diagnosis: bool = True,
    points: int = 5000,
    device: Device = None,
    say: Say = unheard,
) -> Path:
    """One self-contained HTML page of a run, or a comparison of several; returns the file.

    What a single run lacks, the diagnosis and the gallery, is measured first where its images are at hand.
    """
    several = [runs] if isinstance(runs, Path | str | Run) else list(runs)
    folders = [one.path if isinstance(one, Run) else Path(one).expanduser() for one in several]
    if len(folders) == 1 and (gallery or diagnosis):
        for said in complete(folders[0], gallery=gallery, diagnosis=diagnosis, points=points, device=device):
            say(said)
    default = folders[0] / "report.html" if len(folders) == 1 else Path("comparison.html")
    return write_report(folders, default if out is None else Path(out).expanduser())


def export(
    run: Path | str | Run,
    to: Format,
    *,
    out: Path | str | None = None,
    step: int | None = None,
    split: str | None = None,
    neighbours: int = 15,
    device: Device = None,
) -> Path:
    """A run's embeddings as a table (parquet, csv), or its encoder for another library; returns the file or folder."""
    settings = ExportSettings(to=to, step=step, split=split, neighbours=neighbours)
    where = None if out is None else Path(out).expanduser()
    opened = run if isinstance(run, Run) else Path(run).expanduser()
    return export_run(opened, settings, out=where, device=device).path


def _policy(policy: PolicySettings | str | None) -> PolicySettings | None:
    return named_policy(policy) if isinstance(policy, str) else policy
