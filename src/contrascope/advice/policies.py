"""From verdicts on operations to the policies that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from contrascope.advice.advisor import OperationVerdict
from contrascope.augment.catalogue import CATALOGUE, PolicyOperation
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy
from contrascope.augment.settings import PolicySettings
from contrascope.errors import InputError
from contrascope.settings import digest

LIGHT, HUE = "brightness and contrast", "hue and saturation"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A policy with a name that says how it differs from the usual one (`candidates` says what that is)."""

    name: str
    """In words."""
    ops: tuple[AbstractOp, ...]
    """Operations in their order."""

    @property
    def key(self) -> str:
        """Ten hex digits that depend on the operations alone: the name of its records."""
        return digest(self.ops)

    @property
    def policy(self) -> Policy:
        """What makes the views."""
        return Policy(ops=self.ops, name=self.name)

    @property
    def settings(self) -> PolicySettings:
        """What a policy file holds."""
        return PolicySettings(name=self.name, ops=self.ops)


def compose(strengths: Mapping[str, float], *, always: bool = False) -> tuple[AbstractOp, ...]:
    """The named operations at their strengths, with the catalogue's probabilities or `always`.

    The two halves of colour distortion become one operation.

    >>> [type(op).__name__ for op in compose({"flip": 1.0, LIGHT: 0.5, HUE: 0.5})]
    ['HorizontalFlip', 'ColorJitter']
    """
    light, hue = strengths.get(LIGHT, 0.0), strengths.get(HUE, 0.0)
    made: list[AbstractOp] = []
    for operation in CATALOGUE:
        if operation.name not in strengths or (operation.name == HUE and light):
            continue
        p = 1.0 if always else operation.p
        if operation.name in (LIGHT, HUE):
            made.append(
                ColorJitter(
                    brightness=0.8 * light, contrast=0.8 * light, saturation=0.8 * hue, hue=0.2 * hue, p=p
                )
            )
        else:
            made.append(operation.make(strengths[operation.name], p))
    return tuple(made)


def kept_strengths(verdicts: Sequence[OperationVerdict]) -> dict[str, float]:
    """The operations to use and their strengths, in the catalogue's order."""
    found = {verdict.name: verdict.strength for verdict in verdicts}
    order = [operation.name for operation in CATALOGUE]
    return {name: strength for name in order if (strength := found.get(name)) is not None}


def candidates(verdicts: Sequence[OperationVerdict], *, most: int) -> tuple[Candidate, ...]:
    """The usual policy, weaker, without each operation, with each further one, and its first operation alone.

    *Usual* means one thing: SimCLR's operations (crop, flip, colour distortion and dropping, blur) as far as the
    verdicts leave them, at the strengths that they leave. Where they leave none of these, the policy of what is left is
    called that, and nothing is usual. At most `most`, the more different first. Raises `InputError` where no operation
    is left.
    """
    kept = kept_strengths(verdicts)
    core = {one.name: kept[one.name] for one in CATALOGUE if one.core and one.name in kept}
    extra = {name: strength for name, strength in kept.items() if name not in core}
    if not kept:
        raise InputError(
            "no operation is left: each changes nothing in these images, or destroys what tells them apart, or may do "
            "so. Label some and ask again with --labels; or look at the images: are they constant, or too small?"
        )
    base, called = (core, "usual") if core else (extra, "what is left")
    plans: list[tuple[str, dict[str, float]]] = [(called, base)]
    plans.append((f"{called}, weaker", {name: _weaker(name, strength) for name, strength in base.items()}))
    if len(base) > 1:
        first = next(iter(base))
        plans.append((f"{first} alone", {first: base[first]}))
    if core:
        plans += [(f"usual with {name}", {**base, name: strength}) for name, strength in extra.items()]
    if len(base) > 2:
        plans += [(f"{called} without {name}", {n: s for n, s in base.items() if n != name}) for name in base]
    found: dict[tuple[AbstractOp, ...], Candidate] = {}
    for name, strengths in plans:
        ops = compose(strengths)
        found.setdefault(ops, Candidate(name=name, ops=ops))
    return tuple(found.values())[:most]


def strength_sweep(operations: Sequence[PolicyOperation], kept: Mapping[str, float]) -> tuple[Candidate, ...]:
    """Every kept operation alone at each of its strengths, always applied."""
    return tuple(
        Candidate(
            name=f"{one.name}, {one.unit.format(strength)}" if one.unit else one.name,
            ops=compose({one.name: strength}, always=True),
        )
        for one in operations
        if one.name in kept
        for strength in one.strengths
    )


def pair_sweep(kept: Mapping[str, float]) -> tuple[Candidate, ...]:
    """Every two kept operations at their strengths, with the catalogue's probabilities."""
    return tuple(
        Candidate(name=f"{one} + {other}", ops=compose({one: kept[one], other: kept[other]}))
        for one, other in combinations(kept, 2)
    )


def words_of(ops: Sequence[AbstractOp]) -> str:
    """The operations by their class names, for a table.

    >>> words_of(compose({"flip": 1.0, "blur": 1.0}))
    'HorizontalFlip, GaussianBlur'
    """
    return ", ".join(type(op).__name__ for op in ops)


def _weaker(name: str, strength: float) -> float:
    operation = next(one for one in CATALOGUE if one.name == name)
    lower = [level for level in operation.strengths if level < strength]
    return lower[-1] if lower else strength
