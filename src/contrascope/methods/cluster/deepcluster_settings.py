"""Settings of DeepCluster-v2; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.crop_settings import MultiCropSettings
from contrascope.methods.hints import NOT_LEARNING, Suspect, temperature_suspect, width_suspect
from contrascope.methods.large_run import LargeRun
from contrascope.methods.settings import SmallRun, registered
from contrascope.settings import require_positive, written_as

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=128, batch_norm=True)
_SMALL = ProjectorSettings(hidden=(256,), out=64, batch_norm=True)
FEW = 10
"""Clusters below which a cluster says little of an image."""


@written_as("DeepClusterSettings")
@registered(
    "deepcluster_v2",
    build="contrascope.methods.cluster.deepcluster:DeepCluster",
    small_run=SmallRun(
        changes={"projector": _SMALL, "prototypes": (128, 128, 128), "local_views": 2},
        epochs=6,
        policy="crops-global",
        digits={"local_views": 0, "prototypes": (32, 32, 32)},
    ),
    large_run=LargeRun(
        source="solo-learn's CIFAR recipe",
        lr=0.6,
        optim="lars",
        weight_decay=1e-6,
        policy="crops-global",
    ),
    small={"prototypes": (6, 4), "local_views": 2, "local_size": 5, "local_policy": "ab"},
)
@dataclass(frozen=True, kw_only=True)
class DeepClusterSettings(MultiCropSettings):
    """DeepCluster-v2 (Caron et al. 2020, arXiv:2006.09882, appendix A.3); defaults of the authors' code."""

    projector: ProjectorSettings = _PROJECTOR
    """Linear 2048, batch norm, ReLU, linear 128; its output is normalised."""
    prototypes: tuple[int, ...] = (3000, 3000, 3000)
    """Clusters of each head; heads cluster the embeddings of the large crops in turn."""
    temperature: float = 0.1
    """Divides cosines with centroids before the softmax."""
    iterations: int = 10
    """Of k-means, at the start of each epoch."""
    bank_gb: float = 2.0
    """Largest memory in 1e9 bytes of the embeddings of all images, which every process and checkpoint holds."""
    seed: int = 0
    """Of the images at which k-means starts, drawn anew in each epoch."""

    def check(self) -> None:
        super().check()
        require_positive(bank_gb=self.bank_gb)
        if not self.prototypes or min(self.prototypes) < 2 or self.iterations < 1:
            raise InputError(
                "prototypes must be one number or more, each at least 2, and iterations at least 1; got "
                f"{self.prototypes} and {self.iterations}."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        temperature = temperature_suspect(self.temperature)
        if word == NOT_LEARNING:
            return (temperature,)
        few = Suspect(
            setting="prototypes",
            value=max(self.prototypes),
            off=max(self.prototypes) < FEW,
            cause=f"There are {max(self.prototypes)} clusters: images need not be kept apart beyond them.",
            next="Set prototypes to several times the number of kinds of images.",
        )
        return (temperature, few, *width_suspect(signals))
