"""Views, networks and reference of a monitor: from a model to its rows, and from rows to the answers."""

from typing import Any, Literal

from torch import Tensor

from contrascope.diagnosis.diagnosis import ArrayReference, array_reference, array_signals
from contrascope.diagnosis.exhibits import Networks
from contrascope.diagnosis.monitor.model import Part, device_in, embedded, networks_in
from contrascope.diagnosis.monitor.outputs import Output
from contrascope.diagnosis.monitor.probe_views import (
    LEAST_IMAGES,
    ProbeViews,
    ViewSource,
    check_views,
    read_views,
)
from contrascope.diagnosis.monitor.rows import DRAWS, Judged, judged
from contrascope.diagnosis.networks import twin_of
from contrascope.errors import InputError
from contrascope.features.rows import Rows, views_of

Reference = Literal["random", "first"] | Rows | tuple[Rows, Rows] | None
"""What the rows are compared with."""


class Probe:
    """What is measured, and beside what; see `Monitor` for the arguments.

    Views are read, and the random reference is drawn, when a model is first seen.
    """

    def __init__(
        self,
        views: ViewSource | None,
        *,
        encoder: Part,
        projector: Part,
        output: Output,
        reference: Reference,
        images: int,
        seed: int,
    ) -> None:
        named = isinstance(reference, str)
        if named and reference not in ("random", "first"):
            raise InputError(f"reference is {reference!r}; expected 'random', 'first', rows, or None.")
        if views is None and named and reference == "random":
            raise InputError(
                "reference='random' compares on views, and there are none. Give views, or reference='first' "
                "(what is measured first, soon after the start of a training from scratch), or None."
            )
        if views is not None:
            check_views(views)
        self._source, self._where, self._output = views, (encoder, projector), output
        self._asked = reference if named else None
        self._images, self._seed = images, seed
        self._views: ProbeViews | None = None
        self.reference: ArrayReference | None = None
        if not named and reference is not None:
            self.compare(*_given(reference))

    def rows(self, model: Any) -> tuple[Tensor, Tensor | None]:
        """What the model makes of the views now: h [views n dim], and z where there is a projector."""
        networks, views = self.begin(model)
        return embedded(networks, views, output=self._output)

    def begin(self, model: Any) -> tuple[Networks, ProbeViews]:
        """Networks and views; the random reference is at hand from then on."""
        networks = networks_in(model, *self._where)
        if self._views is None:
            if self._source is None:
                raise InputError("there are no views to measure a model on. Give Monitor(views, ...).")
            self._views = read_views(self._source, images=self._images)
            self._source = None  # a loader is read once, and not held
        if self.reference is None and self._asked == "random":
            twin = twin_of(networks)
            if twin is not None:
                device = device_in(networks.encoder)
                self.compare(*embedded(twin, self._views, output=self._output, device=device))
        return networks, self._views

    def judged(self, h: Tensor, z: Tensor | None) -> Judged:
        """The answers of rows, beside the reference where there is one."""
        if h.shape[1] < LEAST_IMAGES:
            raise InputError(f"{h.shape[1]} images are too few to measure; give at least {LEAST_IMAGES}.")
        if self.reference is None and self._asked == "first":
            self.compare(h, z)
        beside = self.reference or (None, None)
        return judged(array_signals(h, z, reference=beside, draws=DRAWS, seed=self._seed))

    def compare(self, h: Tensor, z: Tensor | None) -> None:
        """Take these rows for the reference."""
        self.reference = array_reference(h, z, given=(h, z), draws=DRAWS, seed=self._seed)

    @property
    def first(self) -> tuple[Tensor, Tensor | None] | None:
        """The rows that were measured first, where they are the reference."""
        held = self.reference if self._asked == "first" else None
        return None if held is None or held.rows is None else (held.rows, held.rows_z)


def _given(reference: Any) -> tuple[Tensor, Tensor | None]:
    """Both layers of a reference that the caller holds."""
    pair = isinstance(reference, tuple) and len(reference) == 2
    h, z = reference if pair else (reference, None)
    return views_of("reference", h), None if z is None else views_of("reference of z", z)


def check_counts(*, images: int, every: int, rest: int | None) -> None:
    """`InputError` for counts that are too small."""
    for name, value, least in (("images", images, LEAST_IMAGES), ("every", every, 1), ("rest", rest, 0)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}; expected at least {least}.")
