"""What is trained: items, views and networks, of images or of sentences, built before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.jobs.assess import foreseen
from contrascope.jobs.probes import probes_of
from contrascope.jobs.text_monitor import TextMonitorProbe, probe_sentences
from contrascope.methods.base import Method
from contrascope.runs.bad_images import told_of
from contrascope.runs.claim import check_count
from contrascope.runs.continued import keep_start
from contrascope.runs.load import policies_for, views_for
from contrascope.runs.settings import RunSettings
from contrascope.runs.start import method_for
from contrascope.runs.text_load import twin_of_text
from contrascope.runs.text_settings import TextRunSettings
from contrascope.runs.text_start import TextStart, text_start
from contrascope.training.probe import Probe
from contrascope.training.views import ViewMaker


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that a training needs beside its settings."""

    items: Any
    """What is trained on: a `contrascope.training.views.RunItems` with `to`."""
    method: Method
    """Networks and loss."""
    views: ViewMaker
    """Makes the views that the method asks for."""
    some: Callable[[int], Tensor]
    """Makes that many inputs of the encoder, for the trial of threads."""
    told: Callable[[], list[str]]
    """What is said once the run has begun, a sentence a line."""
    keep: Callable[[], None] = field(default=lambda: None)
    """Writes into the run's folder what its networks cannot be used without."""
    probes: tuple[Probe, ...] = ()
    """What looks at the networks while they train."""
    labelled: bool = False
    """Whether the items have labels by which the run is assessed."""


def image_work(settings: RunSettings, given: ImageSet | None, out: Path, device: torch.device) -> Work:
    """Images: `given`, or those that the settings name."""
    images = open_images(settings.data) if given is None else given
    check_count(images)
    begun_from: list[str] = []
    method = method_for(settings, out, images.shape, say=begun_from.append)
    policies = policies_for(settings.policy, images)
    probes = probes_of(settings, images, policies, device)
    views = views_for(settings, method, images)

    def some(count: int) -> Tensor:
        ids = torch.arange(min(count, len(images)))
        layout = torch.channels_last if settings.training.channels_last else torch.contiguous_format
        return views(images.gather(ids), ids=ids, epoch=0).groups[0][0].contiguous(memory_format=layout)

    def told() -> list[str]:
        data = settings.data if given is None else given
        lines = told_of(images, listed=out / records.BAD_IMAGES)
        return [
            *(f"{line}." for line in begun_from),
            *lines,
            *foreseen(data, settings.protocol, images=images),
        ]

    return Work(
        items=images,
        method=method,
        views=views,
        some=some,
        told=told,
        keep=lambda: keep_start(settings, method, out),
        probes=probes,
        labelled=images.y is not None,
    )


def text_work(settings: TextRunSettings, out: Path) -> Work:
    """Sentences that the settings name, and the monitor where it is asked for."""
    start = text_start(settings, out)
    sentences, views = start.sentences, start.views

    def some(count: int) -> Tensor:
        ids = torch.arange(min(count, len(sentences)))
        return views(sentences.gather(ids), ids=ids, epoch=0).groups[0][0]

    def told() -> list[str]:
        if not sentences.cut:
            return []
        longest = settings.data.max_length
        return [
            f"{100 * sentences.cut:.1f} % of the texts are longer than {longest} tokens and are cut off there."
        ]

    return Work(
        items=sentences,
        method=start.method,
        views=views,
        some=some,
        told=told,
        keep=lambda: start.tokenizer.save(out),
        probes=_text_probes(settings, start),
    )


def _text_probes(settings: TextRunSettings, start: TextStart) -> tuple[Probe, ...]:
    """The monitor, where it is asked for and there are sentences enough."""
    seed = settings.training.seed
    shown = probe_sentences(
        start.sentences,
        start.policies,
        settings=settings.monitor,
        max_length=settings.data.max_length,
        seed=seed,
        same_mask=settings.views.same_mask,
    )
    if shown is None or not settings.monitor.times:
        return ()
    return (
        TextMonitorProbe(
            shown,
            twin_of_text(start.method, settings, start.tokenizer),
            method=settings.method,
            max_length=settings.data.max_length,
            settings=settings.monitor,
        ),
    )
