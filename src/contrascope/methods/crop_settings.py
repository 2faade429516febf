"""Settings of methods with large and small crops; without torch."""

from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.settings import MethodSettings

_PROJECTOR = ProjectorSettings()


@dataclass(frozen=True, kw_only=True)
class MultiCropSettings(MethodSettings):
    """Which small crops there are beside the views of the run's policy, and what stands on the encoder."""

    projector: ProjectorSettings = _PROJECTOR
    """Network between encoder and prototypes."""
    local_views: int = 0
    """Small crops of each image: they predict the codes of the large ones and have none themselves."""
    local_size: int = 16
    """Side of a small crop in pixels; a vision transformer's patch has to divide it."""
    local_policy: str = "crops-local"
    """Preset or letters that make the small crops."""

    def check(self) -> None:
        super().check()
        if self.local_views < 0:
            raise InputError(f"local_views must be at least 0; got {self.local_views}.")

    def refuse_share(self, **shares: float) -> None:
        """Refuses a share of training outside [0, 1].

        >>> MultiCropSettings().refuse_share(freeze=0.5)
        """
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise InputError(f"{name} is a share of training in [0, 1]; got {value}.")
