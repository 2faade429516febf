"""Settings of a plain joint embedding with any loss; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.hints import Suspect, softmax_suspects
from contrascope.methods.settings import JointSettings, SmallRun, registered
from contrascope.settings import written_as

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)


@written_as("PlainSettings")
@registered("plain", build="contrascope.methods.joint.plain:Plain", small_run=SmallRun(epochs=10))
@dataclass(frozen=True, kw_only=True)
class PlainSettings(JointSettings):
    """One network and any loss, ours by name or your own by import path."""

    loss: str = "alignment_uniformity"
    """A loss here (nt_xent, decoupled, modified_info_nce, spectral, linear_contrastive, alignment_uniformity, barlow_twins, vicreg, vicreg_paper), or package.module:function; its own settings are words of loss-settings: `--method.loss modified_info_nce --method.loss-settings temperature=0.5 repulsion=1.0`."""  # noqa: E501
    loss_settings: tuple[str, ...] = ()
    """The loss's own settings, each a word name=value, such as temperature=0.5; what has no default must be given."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 512, ReLU, linear 128, no batch norm."""

    @property
    def told(self) -> dict[str, float | bool | str]:
        """The loss's own settings as values: numbers, true and false, or words."""
        pairs = [word.partition("=") for word in self.loss_settings]
        for name, sign, value in pairs:
            if not (name.isidentifier() and sign and value):
                raise InputError(
                    f"method.loss_settings has {name + sign + value!r}; expected name=value, such as temperature=0.5."
                )
        names = [name for name, _, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"method.loss_settings gives {twice[0]} twice; give it once.")
        return {name: _value(text) for name, _, text in pairs}

    def check(self) -> None:
        from contrascope.methods.any_loss import find_loss

        super().check()
        find_loss(self.loss, self.told, positives=self.positives_chosen)

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        temperature = self.told.get("temperature")
        if ":" in self.loss or not isinstance(temperature, float):
            return ()
        return softmax_suspects(word, signals, temperature=temperature)


def _value(text: str) -> float | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text
