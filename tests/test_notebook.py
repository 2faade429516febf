from html.parser import HTMLParser

import pytest
import torch

from contrascope.diagnosis.diagnosis import diagnose
from contrascope.notebook import Summary, summary_html
from contrascope.records.vocabulary import QUESTIONS


class Reader(HTMLParser):
    """Tags that are open and closed, and the text between them."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert reader.tags <= {"div", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    return reader.text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "&amp;"])
def test_every_text_is_escaped(name):
    summary = Summary(
        title=name, answers=((name, (name,)),), head=(name, name), rows=[(name, name)], note=name
    )
    assert read(summary_html(summary)).count(name) == 8


def test_each_answer_is_a_line_above_its_own_sentences():
    answers = (("Is it sound? ✓ sound", ("a", "b")), ("Is it learning? ✗ not learning", ("c",)))
    text = read(summary_html(Summary(title="t", answers=answers, head=(), rows=())))
    assert text == ["t", "Is it sound? ✓ sound", "a", "b", "Is it learning? ✗ not learning", "c"]


def test_a_diagnosis_shows_itself_with_its_reference():
    source = torch.Generator().manual_seed(0)
    h = torch.randn(60, 8, generator=source)
    found = diagnose(torch.stack([h, h + 0.1 * torch.randn(60, 8, generator=source)]), draws=10)
    html = found._repr_html_()
    text = read(html)
    for name, asked in QUESTIONS.items():
        told = getattr(found.verdict, name)
        assert any(part.startswith(asked) and told.word in part for part in text)
        assert set(told.evidence) <= set(text)
    retrieval = found.signals.h.views.retrieval
    assert f"{retrieval.value:.3g}" in " ".join(text)
    assert "reference of h" in text
    assert len(html) < 6000


def test_a_diagnosis_of_one_view_leaves_out_what_needs_several():
    h = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    text = read(diagnose(h, draws=0)._repr_html_())
    assert not any("a view finds its image" in part for part in text)
    assert any("participation ratio" in part for part in text)
