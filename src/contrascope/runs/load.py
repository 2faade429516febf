"""A run read back from its folder: settings, weights, its random twin, its policies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from contrascope import records
from contrascope.augment.policy import Policy
from contrascope.augment.presets import PolicySettings, build_policy
from contrascope.data.imageset import ImageSet
from contrascope.errors import InputError
from contrascope.imports import allow
from contrascope.methods.base import Method
from contrascope.records.kinds import EnvironmentRecord
from contrascope.records.typed import read_record
from contrascope.reports.notebook import run_html
from contrascope.runs.build import build, build_twin
from contrascope.runs.settings import RunSettings
from contrascope.runs.text_settings import AnyRunSettings, read_any_settings
from contrascope.training.checkpoint import read_weights
from contrascope.training.checksums import newest_whole, verified
from contrascope.training.views import ImageViews, image_views


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished or unfinished run, read back from its folder."""

    path: Path
    settings: RunSettings
    method: Method
    step: int
    """Of the checkpoint that was read."""
    image_shape: tuple[int, int, int]
    """Channels, height and width of the images that it was trained on."""

    @property
    def encoder(self) -> nn.Module:
        """The encoder at that checkpoint."""
        return self.method.encoder

    def _repr_html_(self) -> str:
        return run_html(self.path, step=self.step)


def settings_of(folder: Path) -> RunSettings:
    """The settings of a run on images."""
    settings = any_settings_of(folder)
    if isinstance(settings, RunSettings):
        return settings
    raise InputError(
        f"{folder} is a run on sentences, and this is for images. What there is for sentences: contrascope evaluate "
        f"{folder} FOLDER --suite sts, and contrascope diagnose {folder}."
    )


def any_settings_of(folder: Path) -> AnyRunSettings:
    """The settings of a run's folder, whatever it learns from."""
    return read_any_settings(records.read_settings(folder), path=str(folder / records.SETTINGS))


def image_shape(folder: Path) -> tuple[int, int, int]:
    """Channels, height and width of a run's images."""
    path = folder / records.ENVIRONMENT
    shape = read_record(EnvironmentRecord, path).require("image_shape").image_shape
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"{path} has image_shape {list(shape)[:8]}; expected channels, height, width. Restore the file."
        )
    return shape


def load_run(path: Path, *, step: int | None = None) -> Run:
    """The settings of a run and its newest weights, or those of the checkpoint at `step`.

    A checkpoint that is not as it was written is named and the one before it taken; with `step` it is refused.
    """
    settings = settings_of(path)
    if not records.checkpoint_folders(path):
        raise InputError(f"{path} has no checkpoint yet. Train on with: contrascope train {path} --resume")
    refuse_absent(path, step)
    shape = image_shape(path)
    method = build(settings, shape)
    chosen = newest_weights(path, method, step=step)
    return Run(path=path, settings=settings, method=method.eval(), step=chosen, image_shape=shape)


def refuse_absent(path: Path, step: int | None) -> None:
    """Refuses a step at which a run has no checkpoint."""
    found = dict(records.checkpoint_folders(path))
    if step is not None and step not in found:
        raise InputError(
            f"{path} has no checkpoint at step {step}; it has {', '.join(map(str, sorted(found)))}."
        )


def newest_weights(path: Path, method: Method, *, step: int | None = None) -> int:
    """Reads a run's newest whole checkpoint, or that at `step`, into the method; returns its step."""
    refuse_absent(path, step)
    found = dict(records.checkpoint_folders(path))
    if step is None:
        newest = newest_whole(path, moments=False)
        assert newest is not None  # there are some
        folder = newest[0]
    else:
        folder = found[step]
        verified(folder, moments=False)
    read_weights(folder, method)
    return next(step for step, place in found.items() if place == folder)


def open_run(folder: Path | str, *, step: int | None = None, allow_import: Sequence[str] = ()) -> Run:
    """A run to look at in a notebook and to take `encoder` from; raises `InputError` where there is no checkpoint.

    `allow_import`: paths `package.module:Object` that may be imported though the run's settings name them, such as an
    encoder of your own; as `contrascope.imports.allow` does, for the rest of the process.
    """
    for path in allow_import:
        allow(path)
    return load_run(Path(folder).expanduser(), step=step)


def random_twin_of(run: Run) -> Method:
    """The run's networks with random weights that no training touched, in evaluation mode."""
    return build_twin(run.settings, run.image_shape)


def policies_for(settings: PolicySettings, images: ImageSet) -> tuple[Policy, ...]:
    """The policies of the settings for these images: views of the images' side unless a side is set."""
    return build_policy(settings, channels=images.shape[0], size=min(images.shape[1:]))


def views_for(settings: RunSettings, method: Method, images: ImageSet) -> ImageViews:
    """The views of these images that a run trains on, those of its early epochs at their own side."""
    early = settings.schedule.early_size
    small = () if early is None else policies_for(replace(settings.policy, size=early), images)
    share = settings.schedule.early_share if small else 0.0
    later = policies_for(settings.policy, images)
    return image_views(method, later, images, settings.training, early=small, early_share=share)
