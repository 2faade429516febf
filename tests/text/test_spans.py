"""Spans of documents: their lengths, places and distances."""

import pytest
import torch

from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.text.settings import SpanSettings
from contrascope.text.spans import draw_spans

N = 4000


def drawn(where="near", shortest=8, longest=32, **more):
    settings = SpanSettings(shortest=shortest, longest=longest, where=where, **more)
    lengths = torch.randint(128, 400, (N,), generator=torch.Generator().manual_seed(0))
    return settings, lengths, *draw_spans(DrawKey(seed=0, epoch=0, ids=torch.arange(N)), lengths, settings)


@pytest.mark.parametrize("where", ["near", "adjacent", "subsuming"])
def test_spans_lie_in_their_documents_and_positives_near_their_anchor(where):
    _, lengths, anchors, positives = drawn(where)
    assert anchors.starts.shape == (2, N)
    assert positives.starts.shape == (4, N)
    for places in (anchors, positives):
        assert (places.starts >= 0).all()
        assert (places.starts + places.lengths <= lengths).all()
        assert places.lengths.min() >= 8
        assert places.lengths.max() <= 32
    start, end = (
        each.repeat_interleave(2, dim=0) for each in (anchors.starts, anchors.starts + anchors.lengths)
    )
    first, last = positives.starts, positives.starts + positives.lengths
    assert (last >= start).all()
    assert (first <= end).all()
    if where == "subsuming":
        assert (first >= start).all()
        assert (last <= end).all()
    if where == "adjacent":
        beside = (last == start) | (first == end)
        assert beside.float().mean() > 0.99  # the end of a document may push one in


def test_anchors_of_a_document_do_not_lie_in_neighbouring_blocks():
    settings, _, anchors, _ = drawn()
    block = anchors.starts // settings.longest
    # the last tokens of a document may push a long anchor back by less than a block
    assert ((block[0] - block[1]).abs() >= 1).all()
    assert ((block[0] - block[1]).abs() >= 2).float().mean() > 0.9


def test_lengths_follow_the_laws_of_beta():
    _, _, anchors, positives = drawn()
    share = [(each.lengths.float().mean().item() + 0.5 - 8) / 24 for each in (anchors, positives)]
    assert share[0] == pytest.approx(4 / 6, abs=0.02)
    assert share[1] == pytest.approx(2 / 6, abs=0.02)


def test_a_document_draws_the_same_spans_in_any_batch():
    settings, lengths, anchors, positives = drawn()
    key = DrawKey(seed=0, epoch=0, ids=torch.tensor([7]))
    longest = lengths.argmax()
    for some in (torch.tensor([7]), torch.tensor([7, int(longest)])):
        again, near = draw_spans(DrawKey(seed=0, epoch=0, ids=some), lengths[some], settings)
        assert torch.equal(again.starts[:, 0], anchors.starts[:, 7])
        assert torch.equal(near.starts[:, 0], positives.starts[:, 7])
    assert key.ids.tolist() == [7]


def test_short_documents_are_refused_with_what_they_need():
    with pytest.raises(InputError, match="has 100 tokens; 2 anchors of at most 32 ask for 128"):
        draw_spans(
            DrawKey(seed=0, epoch=0, ids=torch.arange(1)),
            torch.tensor([100]),
            SpanSettings(shortest=8, longest=32),
        )
    with pytest.raises(InputError, match=r"spans.longest is 4 and spans.shortest 16"):
        SpanSettings(longest=4)
