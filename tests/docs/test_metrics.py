"""docs/metrics.md names every number of the vocabulary, and its pictures are those that the script draws."""

import re
from pathlib import Path

import pytest
import torch

from contrascope.records.vocabulary import FACTORS, LEARNING, PROBES, SIGNALS
from contrascope.theory.factors.spectrum import effective_rank, participation_ratio
from contrascope.theory.factors.stable_rank import stable_rank
from draw_metrics import FIGURES, PICTURES, rank_numbers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_every_number_stands_on_the_page():
    page = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    shown = [(one.title, one.short) for one in (*SIGNALS, *FACTORS)]
    shown += [(title, "") for title, _ in PROBES.values()]
    shown += [(one.title, "") for one in LEARNING if one.path in ("own.odds", "bait")]
    missing = [
        one for one in shown if not any(word and word in page for word in (*one, one[0].partition(":")[0]))
    ]
    assert missing == []
    kinds = {word for one in LEARNING if ".odds" in one.path for word in re.split(": | without ", one.title)}
    assert [one for one in kinds if one not in page] == []


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_that_are_drawn(name):
    assert (FIGURES / name).read_text(encoding="utf-8") == PICTURES[name]()


def test_the_ranks_on_the_picture_are_those_of_the_program():
    values = [1.0, 0.5, 0.25, 0.1]
    rows = torch.tensor(values, dtype=torch.float64)
    found = rank_numbers(values)
    assert found["participation"] == pytest.approx(participation_ratio(rows))
    assert found["effective"] == pytest.approx(effective_rank(rows))
    assert found["stable"] == pytest.approx(stable_rank(rows))
