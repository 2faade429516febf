"""How the vocabulary is looked up: a word, a probe, the value at a path, the rows of a table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contrascope.records.entry import Entry, Tree
from contrascope.records.vocabulary import ANSWERS, PROBES
from contrascope.records.words import Measure, VerdictWord


def verdict_word(word: str, words: Sequence[VerdictWord] = ANSWERS) -> VerdictWord:
    """What is known of a word; one that is not known is shown as a bad one.

    >>> verdict_word("sound").sign, verdict_word("mended").tone
    ('✓', 'bad')
    """
    return next((one for one in words if one.word == word), VerdictWord(word=word, tone="bad"))


def probe_title(name: str, *, narrow: bool = False) -> str:
    r"""What a probe is called.

    >>> probe_title("few_labels_1"), probe_title("few_labels_5", narrow=True), probe_title("mine")
    ('1 label a class', '5 labels\na class', 'mine')
    """
    shots = re.fullmatch(r"few_labels_(\d{1,9})", name)
    if shots:
        blank = "\n" if narrow else " "
        return f"{shots[1]} label{'s' if int(shots[1]) != 1 else ''}{blank}a class"
    return PROBES[name][narrow] if name in PROBES else name


def probe_order(names: Sequence[str]) -> list[str]:
    """Probes in the order of a table: few labels first, then those of the vocabulary, then the rest.

    >>> probe_order(["mine", "knn", "few_labels_5", "few_labels_1"])
    ['few_labels_1', 'few_labels_5', 'knn', 'mine']
    """

    def place(name: str) -> tuple[int, int, str]:
        shots = re.fullmatch(r"few_labels_(\d{1,9})", name)
        known = list(PROBES)
        return (
            (0, int(shots[1]), name)
            if shots
            else (1, known.index(name) if name in known else len(known), name)
        )

    return sorted(dict.fromkeys(names), key=place)


def not_defined(reasons: Mapping[str, str]) -> list[str]:
    """A sentence for each reason why scores have no value, from the reason of each score (empty: it has one).

    >>> not_defined({"knn": "needs two classes", "linear": "needs two classes", "few_labels_1": ""})
    ['kNN, linear probe: not defined: needs two classes.']
    """
    titles: dict[str, list[str]] = {}
    for name in probe_order(list(reasons)):
        if reasons[name]:
            titles.setdefault(reasons[name], []).append(probe_title(name))
    return [f"{', '.join(named)}: not defined: {reason}." for reason, named in titles.items()]


def remarks(rows: Sequence[Any]) -> list[str]:
    """What has to stand below a table of scores: what is not defined and why, and what the labels do to the rest.

    `rows` have `of`, `name`, `not_defined` and `note`, as mappings or as parts of a record.
    """
    reasons: dict[str, dict[str, str]] = {}
    for row in rows:
        reasons.setdefault(str(value_at(row, "of")), {})[str(value_at(row, "name"))] = (
            value_at(row, "not_defined") or ""
        )
    notes = [str(note) for row in rows if (note := value_at(row, "note"))]
    return list(dict.fromkeys([*(one for each in reasons.values() for one in not_defined(each)), *notes]))


def numbers(tree: Any, path: str = "") -> Iterator[str]:
    """Paths of all numbers and estimates of a plain tree; curves and names are none.

    >>> list(numbers({"a": 1.0, "b": {"value": 2, "low": 1, "high": 3}, "c": {"d": None}, "e": "x", "f": [1]}))
    ['a', 'b', 'c.d']
    """
    if isinstance(tree, dict) and not {"value", "low", "high"} <= set(tree):
        for key, item in tree.items():
            yield from numbers(item, f"{path}.{key}" if path else str(key))
    elif path and (tree is None or isinstance(tree, dict) or _number(tree)):
        yield path


def shown_measures(trees: Sequence[Tree], words: Sequence[Measure]) -> list[Measure]:
    """The measures of a table over several trees: those of the vocabulary, then numbers that it does not know."""
    known = {one.path for one in words}
    strange = dict.fromkeys(path for tree in trees for path in numbers(tree) if path not in known)
    hidden = [path for path in strange if any(one.startswith(f"{path}.") for one in known)]
    return [*words, *(Measure(path=path, title=path, unit="") for path in strange if path not in hidden)]


def value_at(tree: Any, path: str) -> Any:
    """The value at a dotted path through mappings and parts of records; None where there is none.

    >>> value_at({"a": {"b": 1}}, "a.b"), value_at({"a": 3}, "a.b")
    (1, None)
    """
    for part in path.split("."):
        if isinstance(tree, Entry):
            tree = getattr(tree, part) if part in type(tree).__dataclass_fields__ else tree.extra.get(part)
        elif isinstance(tree, dict):
            tree = tree.get(part)
        else:
            return None
    return tree


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
