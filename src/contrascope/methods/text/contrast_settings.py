"""What the contrastive methods of sentences are told in common; without torch. It registers nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.hints import Suspect, softmax_suspects
from contrascope.methods.settings import JointSettings
from contrascope.methods.text.mlm_settings import check_rate

TANH_HEAD = ProjectorSettings(hidden=(), out=256, activation="tanh", activation_out=True)
"""Linear and tanh, as wide as the small encoder."""


@dataclass(frozen=True, kw_only=True)
class TextContrastSettings(JointSettings):
    """Sentences against the others of their batch."""

    temperature: float = 0.05
    """Divides the cosines."""
    weight: float = 1.0
    """Multiplies the loss."""
    mlm: float = 0.0
    """Weight of masked-language modelling on a third view, in a pass of its own; 0: none."""
    mlm_rate: float = 0.15
    """Share of the tokens that is hidden there."""
    adversarial: float = 0.0
    """Length by which the embedding of each token of view 1 is moved along the gradient of this very loss (ConSERT's adversarial view, without labels), in one more pass forwards and back; 0: none is moved."""  # noqa: E501
    projector: ProjectorSettings = TANH_HEAD
    """Head that is used in training alone."""
    joint_pass: bool = True
    """One pass for all views; nothing in a transformer mixes them."""

    def __post_init__(self) -> None:
        check_rate("mlm_rate", self.mlm_rate)
        if self.mlm < 0 or not 0 < self.weight < float("inf"):
            raise InputError(
                f"method.mlm is {self.mlm} and method.weight {self.weight}; expected 0 or more, and above 0."
            )
        if not 0 <= self.adversarial < float("inf"):
            raise InputError(f"method.adversarial is {self.adversarial}; expected a length of 0 or more.")
        if self.adversarial and not self.joint_pass:
            raise InputError(
                "method.adversarial moves all views in one pass; set method.joint_pass to true, or adversarial to 0."
            )

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        return softmax_suspects(word, signals, temperature=self.temperature)
