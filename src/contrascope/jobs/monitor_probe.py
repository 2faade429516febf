"""The verdict while training: a probe that the loop calls after every epoch."""

import time
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.exhibits import Exhibits, Networks, ShownRows, exhibits, show
from contrascope.diagnosis.monitor.alarm import alarm_of
from contrascope.diagnosis.monitor.growing import Growing
from contrascope.diagnosis.monitor.rows import DRAWS, judged
from contrascope.diagnosis.networks import Reference, copies_in, reference_on, signals_on
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.diagnosis.signals import Signals
from contrascope.methods.base import Method
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.divergence import divergence
from contrascope.training.probe import Finding


class MonitorProbe:
    """Diagnoses the networks on the same views again and again; the reference is measured once."""

    def __init__(
        self,
        images: ImageSet,
        policies: tuple[Policy, ...],
        reference: Method,
        *,
        known: Known,
        settings: MonitorSettings,
        epochs: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._images, self._policies, self._twin = images, policies, reference.eval()
        self._known, self._settings, self._epochs = known, settings, epochs
        self._seed, self._device, self._growing = seed, device, Growing()
        self._due = {round(epochs * (i + 1) / settings.times) for i in range(settings.times)} - {0}

    def __call__(self, method: Method, finished: int) -> Finding | None:
        """The finding of this epoch, or None where no diagnosis is due."""
        if finished not in self._due:
            return None
        start = time.perf_counter()
        subject = Networks(encoder=method.encoder, projector=method.projector)
        shown = show(subject, self._exhibits, device=self._device)
        signals = signals_on(
            subject,
            shown,
            self._reference,
            self._exhibits,
            draws=DRAWS,
            seed=self._seed,
            copies=self._copies,
            device=self._device,
        )
        found = judged(signals, known=self._known)
        row = {**found.row, **class_row(shown, self._some.y, signals)}
        unsound = self._growing.alarms(found.verdict, signals)
        return Finding(
            row={**row, "seconds": round(time.perf_counter() - start, 3)},
            alarm=alarm_of(found.verdict, unsound=unsound, late=2 * finished > self._epochs),
            score=found.score,
            stop=self._settings.stop and unsound,
        )

    @cached_property
    def _some(self) -> ImageSet:
        return some_images(self._images, self._settings.images, seed=self._seed)

    @cached_property
    def _copies(self) -> float:
        return copies_in(self._some)

    @cached_property
    def _exhibits(self) -> Exhibits:
        return exhibits(
            self._some, self._policies, num_views=self._settings.views, seed=self._seed, device=self._device
        )

    @cached_property
    def _reference(self) -> Reference:
        twin = Networks(encoder=self._twin.encoder, projector=self._twin.projector)
        return reference_on(twin, self._exhibits, draws=DRAWS, seed=self._seed, device=self._device)


def class_row(shown: ShownRows, y: Int[Tensor, " n"] | None, signals: Signals) -> dict[str, float]:
    """Divergence of the class centres and nearest-centre error of both layers, where there are labels.

    They stand beside the verdict, which has not seen them. Nothing where the images have no labels, one class,
    or fewer than four images a class.
    """
    classes = 0 if y is None else len(y.unique())
    if y is None or classes < 2 or len(y) < 4 * classes:
        return {}
    row: dict[str, float] = {}
    for name, rows, layer in zip("hz", (shown.h, shown.z), (signals.h, signals.z), strict=True):
        if rows is None or layer is None:
            continue
        unit = unit_views(rows)
        apart = divergence(unit, y.cpu())
        row |= {
            f"{name}_max_cosine": apart.max_cosine.value,
            f"{name}_mean_cosine": apart.mean_cosine.value,
            f"{name}_centre_error": nearest_centre_error(unit, y.cpu()).error.value,
        }
    return row
