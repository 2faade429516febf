"""The answer of a few labels in sentences."""

from dataclasses import dataclass

from contrascope.evaluation.few.compare import Compared, FewLabels
from contrascope.intervals import Estimate

TWIN, PIXELS = "random weights", "raw pixels"


@dataclass(frozen=True, kw_only=True)
class Useful:
    """The answer to: useful for your classes?"""

    answer: str
    """yes, no or label more."""
    evidence: tuple[str, ...]
    """Sentences with the numbers."""
    next: str
    """What to do next; empty for yes."""
    found: FewLabels
    """The numbers."""


def useful(found: FewLabels) -> Useful:
    """Puts the comparison into words; a part that is not decided is said to be open."""
    one = f"{found.labels} labels of {found.classes} classes"
    alone = f", {found.alone} of them alone in their class" if found.alone else ""
    evidence = [f"{one}{alone}: its neighbours put an image into its class in {_share(found.accuracy)}."]
    for name, compared in ((TWIN, found.twin), (PIXELS, found.pixels)):
        evidence.append(f"Not compared with {name}." if compared is None else _sentence(name, compared))
    return Useful(answer=found.answer, evidence=tuple(evidence), next=_next(found), found=found)


def _sentence(name: str, compared: Compared) -> str:
    word = {1: "Better than", -1: "Worse than", 0: "Not told apart from"}[compared.sign]
    gain = compared.gain
    return (
        f"{word} {name}, where they do so in {_share(compared.accuracy)}: of the own class there are "
        f"{100 * gain.value:+.1f} points among the nearest ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})."
    )


def _share(part: Estimate) -> str:
    return f"{100 * part.value:.0f} % ({100 * part.low:.0f} to {100 * part.high:.0f})"


def _next(found: FewLabels) -> str:
    if found.answer == "yes":
        return ""
    if found.answer == "no":
        worse = [name for name, one in ((TWIN, found.twin), (PIXELS, found.pixels)) if one and one.sign < 0]
        return f"Do not use it for these classes as it is: {' and '.join(worse)} do better."
    if found.twin is None:
        return "It has no random twin to be compared with; compare accuracies with `contrascope evaluate`."
    if found.more is None:
        return "The difference is so small beside its error that, as it looks now, 20,000 labels would not decide."
    return f"Label more: about {found.more:,} in all would decide, if the difference stays as it is."
