"""What looks at the networks of a run while it trains, by its settings."""

import torch

from contrascope.augment.policy import Policy
from contrascope.data.imageset import ImageSet
from contrascope.diagnosis.causes import Known
from contrascope.jobs.assess import knn_probe
from contrascope.jobs.geometry_probe import GeometryProbe
from contrascope.jobs.monitor_probe import MonitorProbe
from contrascope.runs.build import build_twin
from contrascope.runs.settings import RunSettings
from contrascope.training.probe import Probe


def probes_of(
    settings: RunSettings, images: ImageSet, policies: tuple[Policy, ...], device: torch.device
) -> tuple[Probe, ...]:
    """The probes that these settings ask for: kNN on held-out training images, the monitor, the geometry."""
    training, seed = settings.training, settings.training.seed
    knn = knn_probe(images, settings.protocol, every=training.probe_every, device=device)
    found: list[Probe] = [] if knn is None else [knn]
    if settings.monitor.times:
        found.append(
            MonitorProbe(
                images,
                policies,
                build_twin(settings, images.shape),
                known=Known(
                    method=settings.method,
                    optimiser=settings.optim.name,
                    rate=settings.optim.lr,
                    decay=settings.optim.weight_decay,
                ),
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
