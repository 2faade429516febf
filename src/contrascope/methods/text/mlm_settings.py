"""Settings of masked-language modelling; without torch."""

from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.methods.settings import MethodSettings, registered
from contrascope.settings import written_as


def check_rate(name: str, rate: float) -> None:
    """Refuses a share of hidden tokens outside (0, 1)."""
    if not 0 < rate < 1:
        raise InputError(f"method.{name} is {rate}; expected a share above 0 and below 1.")


@written_as("MLMSettings")
@registered("mlm", build="contrascope.methods.text.mlm:MLM", items="sentences")
@dataclass(frozen=True, kw_only=True)
class MLMSettings(MethodSettings):
    """Masked-language modelling (Devlin et al. 2019, arXiv:1810.04805): hidden tokens are found from the others."""

    rate: float = 0.15
    """Share of each sentence's tokens that is hidden: 80 % become the mask, 10 % a random token, 10 % stay."""

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)
