"""What labels allow, known before anything is embedded: the scores that are defined, and what to say of the rest."""

import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from contrascope.evaluation.protocol import Protocol

NAMED = 5
"""Classes that a sentence names; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class LabelFacts:
    """Images of every class on both sides of an evaluation."""

    train: Mapping[int, int]
    """Images of each class, by its code, that probes learn from."""
    test: Mapping[int, int] | None
    """Images of each class that they are tested on; None: these have no labels."""
    names: Sequence[str] = field(default=())
    """Class names by code, where they are known."""

    def why_not(self, score: str, *, held_out: float | None = None) -> str:
        """Why a score says nothing with these labels; empty where it is defined.

        `held_out` is the share of the training images on which a linear probe or fine-tuning is selected, if one is.

        >>> facts = LabelFacts(train={0: 9, 1: 3}, test={0: 2}, names=("cat", "dog"))
        >>> facts.why_not("few_labels_5"), facts.why_not("few_labels_1")
        ("class 'dog' has 3 training images, and 5 are asked for", '')
        """
        if not self.train:
            return "there are no training images"
        if self.test is None:
            return "the test images have no labels"
        if len(self.train) < 2:
            (only,) = self.train
            return f"needs two classes; the training images are all of class {self.called(only)}"
        if not self.test.keys() & self.train.keys():
            return f"no test image is of a class that training has{self._both_sides()}"
        if score.startswith("few_labels_"):
            return self._too_few(int(score.removeprefix("few_labels_")))
        if score in ("linear", "finetune") and held_out is not None:
            return self._nothing_held_out(held_out)
        return ""

    def reasons(self, protocol: Protocol) -> dict[str, str]:
        """`why_not` of every score that a protocol asks for, in its order.

        >>> LabelFacts(train={0: 9, 1: 3}, test={0: 2}).reasons(Protocol(probes=("few_labels", "knn"), shots=(3, 4)))
        {'few_labels_3': '', 'few_labels_4': 'class 1 has 3 training images, and 4 are asked for', 'knn': ''}
        """
        few = [f"few_labels_{shots}" for shots in protocol.shots]
        scores = [name for probe in protocol.probes for name in (few if probe == "few_labels" else [probe])]
        selected = protocol.probe_held_out if len(protocol.probe_grid) > 1 else None
        return {score: self.why_not(score, held_out=selected) for score in scores}

    @property
    def note(self) -> str:
        """What has to be known of every score; empty where test images are of classes that training has."""
        unknown = self.unknown
        said = []
        if self.test and unknown and len(unknown) < len(self.test):
            count, total = sum(unknown.values()), sum(self.test.values())
            said.append(
                f"{count} of {total} test images are of {self.listed(unknown)}, which training lacks: they count as "
                f"wrong, so that {100 * (1 - count / total):.1f} % is the most that can be reached."
            )
        return " ".join([*said, *self.twins()])

    @property
    def unknown(self) -> dict[int, int]:
        """Test images of each class that training lacks."""
        return {code: count for code, count in (self.test or {}).items() if code not in self.train}

    def called(self, code: int) -> str:
        """The name of a class, or its code where no name is known.

        >>> LabelFacts(train={}, test={}, names=("cat", "dog")).called(1), LabelFacts(train={}, test={}).called(7)
        ("'dog'", '7')
        """
        return repr(self.names[code]) if 0 <= code < len(self.names) else str(code)

    def _too_few(self, shots: int) -> str:
        small = {code: count for code, count in self.train.items() if count < shots}
        if not small:
            return ""
        first, *more = sorted(small, key=lambda code: (small[code], code))
        images = "image" if small[first] == 1 else "images"
        others = f" ({len(more)} more classes have too few)" if more else ""
        return f"class {self.called(first)} has {small[first]} training {images}, and {shots} are asked for{others}"

    def _nothing_held_out(self, share: float) -> str:
        if any(min(round(share * count), count - 1) > 0 for count in self.train.values()):
            return ""
        return (
            f"no class has enough training images to hold out {share:.0%} of them to choose its settings on"
        )

    def _both_sides(self) -> str:
        return f" (test: {self.listed(self.test or {})}; training: {self.listed(self.train)})"

    def listed(self, codes: Mapping[int, int]) -> str:
        first = [self.called(code) for code in sorted(codes)[:NAMED]]
        more = f" and {len(codes) - NAMED} more" if len(codes) > NAMED else ""
        return f"class{'es' if len(codes) > 1 else ''} {', '.join(first)}{more}"

    def twins(self) -> list[str]:
        """Classes that a reader takes for one: two Unicode forms, or a test class that training spells otherwise."""
        alike: dict[str, list[int]] = {}
        for code in sorted(set(self.train) | set(self.test or {})):
            if 0 <= code < len(self.names):
                alike.setdefault(_seen(self.names[code]), []).append(code)
        pairs = [pair for codes in alike.values() for pair in itertools.combinations(codes, 2)]
        return [said for pair in pairs if (said := self._told_apart(*pair))]

    def _told_apart(self, code: int, other: int) -> str:
        first, second = self.names[code], self.names[other]
        same = unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
        if not same and code not in self.unknown and other not in self.unknown:
            return ""  # both are learnt: upper and lower case may well be two classes
        how = "one word in two Unicode forms" if same else "two spellings of one word"
        return f"Classes {first!a} and {second!a} look like {how} and count as two; give them one name."


def label_facts(
    train: Int[Tensor, " n"], test: Int[Tensor, " m"] | None, names: Sequence[str] = ()
) -> LabelFacts:
    """The facts of two columns of codes; `test` is None where the test images have no such labels.

    >>> import torch
    >>> label_facts(torch.tensor([0, 0, 1]), torch.tensor([2])).unknown
    {2: 1}
    """
    return LabelFacts(train=_counts(train), test=None if test is None else _counts(test), names=names)


def _counts(codes: Tensor) -> dict[int, int]:
    found, counts = codes.cpu().unique(return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _seen(name: str) -> str:
    """A name without what a reader does not see or weigh: Unicode form, width, case, blanks, signs without a shape."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(sign for sign in folded if not sign.isspace() and unicodedata.category(sign) != "Cf")
