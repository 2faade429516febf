"""Everything that the geometry says of one encoder and its projector."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from contrascope.diagnosis.exhibits import FixedViews, Networks, embed_views
from contrascope.diagnosis.geometry import FeatureGeometry, feature_geometry
from contrascope.diagnosis.operation_rows import OperationRow, operation_rows
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.features.embed import ImageSource, embed


@dataclass(frozen=True, kw_only=True)
class SubjectGeometry:
    """What was measured of one encoder and its projector."""

    features: FeatureGeometry
    """From two views of every image."""
    operations: tuple[OperationRow, ...]
    """One operation at a time."""


def measure_subject(
    subject: Networks,
    images: ImageSource,
    views: FixedViews,
    *,
    settings: GeometrySettings,
    operations: tuple[str, ...] | None = None,
    device: torch.device | str = "cpu",
    tell: Callable[[str], None] = lambda _: None,
) -> SubjectGeometry:
    """The geometry of one encoder and projector on images and fixed views of them.

    `operations`: None for all that the images allow, an empty tuple for none. On a GPU the linear algebra of the
    measurements stays on the CPU.
    """
    h, z = embed_views(subject, views, device=device)
    clean = embed(subject.encoder, None, images, device=device).h[0]
    features = feature_geometry(
        h, z, projector=subject.projector, clean=clean, labels=dict(images.labels), settings=settings
    )
    if operations == ():
        return SubjectGeometry(features=features, operations=())
    rows = operation_rows(
        subject,
        images,
        names=operations,
        settings=settings,
        device=device,
        tell=lambda name: tell(f"  operation {name}"),
    )
    return SubjectGeometry(features=features, operations=tuple(rows))
