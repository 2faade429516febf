"""Hidden tokens: how many, which, and what stands in their place."""

import pytest
import torch

from contrascope.draws import DrawKey
from contrascope.errors import InputError
from contrascope.text.masking import SEEN, MaskTokens
from contrascope.text.packed import KEY, PLACE, TOKEN, packed, text_rows


def hidden(vocabulary, *, batch=500, length=20, rate=0.15):
    source = torch.Generator().manual_seed(0)
    ids = torch.randint(5, vocabulary.size, (batch, length), generator=source)
    rows = text_rows(ids, torch.full((batch,), length))
    view = packed(rows, first=vocabulary.cls, last=vocabulary.sep, pad=vocabulary.pad)
    key = DrawKey(seed=0, epoch=0, ids=torch.arange(batch))
    return view, *MaskTokens(vocabulary=vocabulary, rate=rate)(view, key)


def test_a_share_of_every_sentence_is_hidden_and_no_special_token(vocabulary):
    view, shown, targets = hidden(vocabulary)
    asked = targets != SEEN
    assert (asked.sum(1) == 3).all()
    assert not asked[:, 0].any()
    assert not asked[:, -1].any()
    assert torch.equal(targets[asked], view[..., TOKEN][asked])
    assert torch.equal(shown[..., TOKEN][~asked], view[..., TOKEN][~asked])
    assert torch.equal(shown[..., PLACE : KEY + 1], view[..., PLACE : KEY + 1])


def test_four_fifths_become_the_mask_a_tenth_anything_a_tenth_stays(vocabulary):
    view, shown, targets = hidden(vocabulary, batch=4000)
    asked = targets != SEEN
    now, was = shown[..., TOKEN][asked], view[..., TOKEN][asked]
    assert (now == vocabulary.mask).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (now == was).float().mean().item() == pytest.approx(0.1 + 0.1 / vocabulary.size, abs=0.02)


def test_one_token_is_hidden_of_the_shortest_sentence_and_the_batch_does_not_matter(vocabulary):
    ids, lengths = torch.full((2, 9), 7), torch.tensor([1, 9])
    view = packed(text_rows(ids, lengths), first=vocabulary.cls, last=vocabulary.sep, pad=vocabulary.pad)
    make = MaskTokens(vocabulary=vocabulary)
    shown, targets = make(view, DrawKey(seed=1, epoch=2, ids=torch.tensor([3, 4])))
    assert (targets != SEEN).sum(1).tolist() == [1, 1]
    alone, mine = make(view[1:, :11], DrawKey(seed=1, epoch=2, ids=torch.tensor([4])))
    assert torch.equal(alone[0], shown[1])
    assert torch.equal(mine[0], targets[1])
    with pytest.raises(InputError, match=r"masking rate is 1.0; expected a share above 0 and below 1"):
        MaskTokens(vocabulary=vocabulary, rate=1.0)
