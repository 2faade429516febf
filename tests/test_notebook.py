from html.parser import HTMLParser

import pytest
import torch

from contrascope.diagnosis.diagnosis import diagnose
from contrascope.notebook import Summary, summary_html


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
        title=name, word=name, mark="✗", sentences=(name,), head=(name, name), rows=[(name, name)], note=name
    )
    text = read(summary_html(summary))
    assert text.count(name) == 7
    assert f"✗ {name}" in text


def test_a_sign_stands_beside_the_verdict():
    summary = Summary(title="t", word="undecided", mark="?", sentences=(), head=(), rows=())
    assert "? undecided" in read(summary_html(summary))


def test_a_diagnosis_shows_itself_with_its_reference():
    source = torch.Generator().manual_seed(0)
    h = torch.randn(60, 8, generator=source)
    found = diagnose(torch.stack([h, h + 0.1 * torch.randn(60, 8, generator=source)]), draws=10)
    html = found._repr_html_()
    text = read(html)
    assert any(found.verdict.word in part for part in text)
    assert found.verdict.evidence[0] in text
    retrieval = found.signals.h.views.retrieval
    assert f"{retrieval.value:.3g}" in " ".join(text)
    assert "reference of h" in text
    assert len(html) < 6000


def test_a_diagnosis_of_one_view_leaves_out_what_needs_several():
    h = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    text = read(diagnose(h, draws=0)._repr_html_())
    assert not any("a view finds its image" in part for part in text)
    assert any("participation ratio" in part for part in text)
