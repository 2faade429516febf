"""What a run's folder holds before the first step: settings, environment, unreadable images."""

from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.errors import InputError
from contrascope.records.kinds import BadImagesRecord, EnvironmentRecord
from contrascope.records.typed import as_record
from contrascope.runs.environment import environment
from contrascope.runs.settings import RunSettings
from contrascope.settings import differences, from_json, to_json


def claim(settings: RunSettings, out: Path, *, resume: bool) -> None:
    """Write the settings of a new run, or compare them with those that the folder holds.

    Raises `InputError` where the folder holds a run and `resume` is not set, or one with other settings.
    """
    path = out / records.SETTINGS
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        records.write_settings(out, to_json(settings))
        return
    if not resume:
        raise InputError(f"{out} already holds a run. Go on with --resume, or choose another --out.")
    recorded = from_json(RunSettings, records.read_settings(out))  # a setting that came later has its default
    changed = differences(to_json(recorded), to_json(settings))
    if changed:
        lines = "\n  ".join(changed)
        raise InputError(
            f"{out} was started with other settings:\n  {lines}\nResume with the same ones "
            f"(contrascope train {out} --resume), or start in another --out."
        )


def record_start(out: Path, images: ImageSet, *, device: torch.device, processes: int) -> None:
    """Write what the run depends on besides its settings, and which images could not be read."""
    facts: dict[str, Any] = environment(device)
    facts |= {
        "processes": processes,
        "images": len(images),
        "image_shape": list(images.shape),
        "data_fingerprint": images.fingerprint,
        "classes": {column: list(names) for column, names in images.class_names.items()},
    }
    records.write_record(out / records.ENVIRONMENT, as_record(EnvironmentRecord, facts))
    if images.bad_images:
        bad = [{"name": image.name, "reason": image.reason} for image in images.bad_images]
        found = as_record(BadImagesRecord, {"count": len(bad), "images": bad})
        records.write_record(out / records.BAD_IMAGES, found)
