"""The geometry while training: a probe that the loop calls after every epoch."""

import time
from functools import cached_property
from typing import Any

import torch

from contrascope.augment.changes import changes_for, find_change
from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.data.sampling import some_images
from contrascope.diagnosis.exhibits import FixedViews, Networks, fixed_views
from contrascope.diagnosis.geometry import FeatureGeometry
from contrascope.diagnosis.operation_rows import OperationRow
from contrascope.diagnosis.settings import GeometryProbeSettings, GeometrySettings
from contrascope.diagnosis.subject_geometry import SubjectGeometry, measure_subject
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.training.probe import Finding


class GeometryProbe:
    """Measures the geometry of the networks on the same images and views again and again."""

    def __init__(
        self,
        images: ImageSet,
        policies: tuple[Policy, ...],
        *,
        settings: GeometryProbeSettings,
        epochs: int,
        seed: int,
        device: torch.device,
    ) -> None:
        for name in settings.operations:
            find_change(name)
        known = changes_for(images.shape[0])
        self._operations = tuple(name for name in settings.operations if name in known)
        self._images, self._policies, self._device = images, policies, device
        self._settings = GeometrySettings(images=settings.images, seed=seed, draws=0)
        self._due = {round(epochs * (i + 1) / settings.times) for i in range(settings.times)} - {0}

    def __call__(self, method: Method, finished: int) -> Finding | None:
        """The finding of this epoch, or None where no measurement is due.

        Features that are no numbers are the verdict's affair: here they cost the row, not the run.
        """
        if finished not in self._due:
            return None
        start = time.perf_counter()
        try:
            row = geometry_row(self.measure(method))
        except InputError as error:
            row = {"geometry_error": str(error)}
        return Finding(row={**row, "geometry_seconds": round(time.perf_counter() - start, 3)})

    def measure(self, method: Method) -> SubjectGeometry:
        """The geometry of these networks now."""
        return measure_subject(
            Networks(encoder=method.encoder, projector=method.projector),
            self._some,
            self._views,
            settings=self._settings,
            operations=self._operations,
            device=self._device,
        )

    @cached_property
    def _some(self) -> ImageSet:
        return some_images(self._images, self._settings.images, seed=self._settings.seed)

    @cached_property
    def _views(self) -> FixedViews:
        return fixed_views(
            self._some, self._policies, num_views=2, seed=self._settings.seed, device=self._device
        )


def geometry_row(found: SubjectGeometry) -> dict[str, Any]:
    """The numbers that are followed over epochs, for metrics.jsonl; names begin with `geometry_`."""
    row = _feature_row(found.features)
    for operation in found.operations:
        row |= _operation_row(operation)
    return {f"geometry_{name}": value for name, value in row.items() if value is not None}


def _feature_row(features: FeatureGeometry) -> dict[str, Any]:
    negatives, projector = features.negatives, features.projector
    row: dict[str, Any] = {
        "loss": features.loss.loss,
        "bound": features.loss.upper_bound,
        "h_rank": features.augmented.relative,
        "h_effective_rank": features.augmented.effective,
        "distance_unit": negatives.distance_unit.median,
        "distance_spread": negatives.distance_spread.median,
        "unexplained": negatives.unexplained,
        "unexplained_chance": negatives.unexplained_chance,
        "unexplained_local": negatives.unexplained_local,
    }
    row |= {f"sharing_{name}": share.value for name, share in negatives.sharing.items()}
    if projector is None:
        return row
    if projector.matrix is not None:
        row |= {
            "rank": projector.matrix.relative,
            "rank_absolute": projector.matrix.absolute,
            "effective_rank": projector.matrix.effective,
        }
    if projector.local_relative is not None and projector.local_absolute is not None:
        row |= {"rank": projector.local_relative.mean, "rank_absolute": projector.local_absolute.mean}
    if projector.local_effective is not None:
        row["effective_rank"] = projector.local_effective.mean
    if projector.crossed is not None:
        row |= {"distinct": projector.distinct, "pieces": projector.crossed.mean}
    return row


def _operation_row(operation: OperationRow) -> dict[str, Any]:
    row: dict[str, Any] = {f"removed_{operation.name}": operation.removed}
    for layer, cell in operation.layers.items():
        row |= {
            f"{layer}_moved_{operation.name}": cell.moved,
            f"{layer}_along_{operation.name}": cell.variance_share if cell.directions else None,
        }
    if operation.generator is not None:
        row |= {
            f"seen_{operation.name}": operation.generator.seen,
            f"raw_{operation.name}": operation.generator.raw,
            f"explained_{operation.name}": operation.generator.explained,
        }
    return row
