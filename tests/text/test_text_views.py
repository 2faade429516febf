"""Views of sentences: each operation by hand, and the promise of the keys."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.text.packed import CUT, KEY, PLACE, TOKEN
from contrascope.text.policy import build_text_policies, read_synonyms
from contrascope.text.settings import TextViewSettings
from contrascope.text.views import make_text_views, replay_text
from contrascope.text.vocabulary import Vocabulary

PLAIN = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(40)), "##s", "##t"])
POLICIES = {
    "dropout": (),
    "delete": ("delete=0.4",),
    "delete-spans": ("delete-spans=3x0.1",),
    "reorder": ("reorder=2x0.2",),
    "crop": ("crop=0.5",),
    "shuffle": ("shuffle",),
    "cut": ("delete=0.2", "cut-tokens=0.3", "cut-features=0.25"),
}
each_policy = pytest.mark.parametrize("words", POLICIES.values(), ids=POLICIES)


def sentences(seed, batch=5, most=14):
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, most + 1, (batch,), generator=source)
    ids = torch.randint(4, PLAIN.size, (batch, int(lengths.max())), generator=source)
    return ids, lengths


def make(rows, words, *, ids, seed=0, epoch=0, views=2, **more):
    policies = build_text_policies(TextViewSettings(first=words))
    return make_text_views([rows], policies, PLAIN, ids=ids, seed=seed, epoch=epoch, num_views=views, **more)


def tokens_of(view):
    """Ids without special and filling ones."""
    return [row[row[:, PLACE] >= 0][1:-1, TOKEN].tolist() for row in view]


def whole_words(ids):
    """Words as lists of pieces."""
    found = []
    for one in ids:
        if not found or PLAIN.begins[one]:
            found.append([])
        found[-1].append(one)
    return found


@each_policy
@settings(derandomize=True, deadline=None, max_examples=6)
@given(seed=st.integers(0, 10_000), place=st.integers(0, 4))
def test_a_view_has_the_same_bits_in_any_batch_and_when_it_is_replayed(words, seed, place):
    rows, ids = sentences(seed), torch.arange(5) + 100
    views, params = make(rows, words, ids=ids)
    assert torch.equal(
        replay_text([rows], build_text_policies(TextViewSettings(first=words)), PLAIN, params), views
    )
    length = int(rows[1][place])
    alone, own = make(
        (rows[0][place : place + 1, :length], rows[1][place : place + 1]), words, ids=ids[place : place + 1]
    )
    assert torch.equal(alone[:, 0], views[:, place, : alone.shape[2]])
    assert (views[:, place, alone.shape[2] :, PLACE] == -1).all()
    third, _ = make(rows, words, ids=ids, views=1, first_view=1)
    assert torch.equal(third[0], views[1, :, : third.shape[2]])
    assert torch.equal(own[0].kept[0][own[0].kept[0] >= 0], params[0].kept[place][params[0].kept[place] >= 0])


@each_policy
@settings(derandomize=True, deadline=None, max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_what_is_kept_is_where_each_token_stood_and_something_always_is(words, seed):
    rows = sentences(seed)
    views, params = make(rows, words, ids=torch.arange(5))
    for view, told in zip(views, params, strict=True):
        for row, kept, sentence in zip(tokens_of(view), told.kept, rows[0], strict=True):
            places = kept[kept >= 0]
            assert len(row) >= 1
            assert sentence[places].tolist() == row


def test_views_and_epochs_and_sentences_differ():
    rows = (torch.arange(4, 24).repeat(3, 1), torch.tensor([20, 20, 20]))
    views, _ = make(rows, ("delete=0.5",), ids=torch.arange(3))
    later, _ = make(rows, ("delete=0.5",), ids=torch.arange(3), epoch=1)
    found = {tuple(row) for view in (*views, *later) for row in tokens_of(view)}
    assert len(found) == 12
    keys = torch.cat([views[..., 0, KEY].flatten(), later[..., 0, KEY].flatten()])
    assert len(keys.unique()) == 12


def test_the_control_with_one_mask_has_one_key_a_sentence():
    views, _ = make(sentences(0), (), ids=torch.arange(5), same_mask=True)
    assert torch.equal(views[0, :, 0, KEY], views[1, :, 0, KEY])
    assert len(views[0, :, 0, KEY].unique()) == 5


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7, 0.99])
def test_a_share_of_the_words_is_deleted_with_all_their_pieces(share):
    ids = torch.tensor([[4, 44, 5, 6, 44, 45, 7, 8, 9, 10, 11, 12, 13]])
    words = whole_words(ids[0].tolist())
    views, _ = make((ids, torch.tensor([13])), (f"delete={share}",), ids=torch.arange(1))
    kept = whole_words(tokens_of(views[0])[0])
    assert len(words) == 10
    assert len(kept) == max(1, 10 - int(10 * share + 1e-9))
    assert all(word in words for word in kept)


def test_a_crop_is_one_window_and_spans_go_as_wholes():
    ids = torch.arange(4, 24)[None]
    crop, _ = make((ids, torch.tensor([20])), ("crop=0.4",), ids=torch.arange(1))
    found = tokens_of(crop[0])[0]
    assert found == list(range(found[0], found[0] + 8))
    spans, _ = make((ids, torch.tensor([20])), ("delete-spans=1x0.25",), ids=torch.arange(1))
    gone = sorted(set(range(4, 24)) - set(tokens_of(spans[0])[0]))
    assert gone == list(range(gone[0], gone[0] + 5))


def test_reordering_swaps_pairs_of_spans_of_one_length():
    ids = torch.arange(4, 24)[None]
    views, _ = make((ids, torch.tensor([20])), ("reorder=1x0.2",), ids=torch.arange(1))
    found = torch.tensor(tokens_of(views[0])[0]).view(5, 4)
    blocks = ids.view(5, 4)
    moved = [k for k in range(5) if not torch.equal(found[k], blocks[k])]
    assert len(moved) == 2
    assert torch.equal(found[moved[0]], blocks[moved[1]])
    assert torch.equal(found[moved[1]], blocks[moved[0]])


def test_shuffling_permutes_positions_and_leaves_the_ids():
    rows = (torch.arange(4, 24)[None], torch.tensor([20]))
    views, _ = make(rows, ("shuffle",), ids=torch.arange(1))
    assert views[0, 0, 1:-1, TOKEN].tolist() == list(range(4, 24))
    assert views[0, 0, :, PLACE].sort().values.tolist() == list(range(22))
    assert views[0, 0, :, PLACE].tolist() != list(range(22))


def test_cutting_marks_tokens_and_a_share_of_the_columns():
    rows = (torch.arange(4, 22)[None], torch.tensor([18]))
    views, _ = make(rows, ("cut-tokens=0.25", "cut-features=0.5"), ids=torch.arange(1))
    assert (views[0, 0, :, CUT] & 1).sum() == 5
    assert ((views[0, 0, :, CUT] >> 1) == 2**19).all()


def test_synonyms_come_from_the_table(tmp_path, tokenizer):
    file = tmp_path / "synonyms.tsv"
    file.write_text("cat\tdog\tbird\nold\tplaying\nbig\tsmall\n")
    table = read_synonyms(file, tokenizer)
    cat, dog, bird, old = (int(tokenizer.encode([word]).values[0]) for word in ("cat", "dog", "bird", "old"))
    assert table[cat].tolist() == [dog, bird]
    assert (table[old] == -1).all()  # its synonym is of two pieces
    policies = build_text_policies(TextViewSettings(first=("substitute=0.9",), synonyms=str(file)), tokenizer)
    one = tokenizer.encode(["the cat the cat the cat the cat"])
    rows = (one.values[None].long(), one.lengths)
    views, _ = make_text_views([rows], policies, tokenizer.vocabulary, ids=torch.arange(1), seed=0, epoch=0)
    found = views[0, 0, 1:-1, TOKEN]
    assert set(found[1::2].tolist()) == {dog, bird}
    assert torch.equal(found[0::2], rows[0][0, 0::2])
    file.write_text("cat\n")
    with pytest.raises(InputError, match=r"line 1: 'cat' has no synonym"):
        read_synonyms(file, tokenizer)
    file.write_text("playing\tplayed\n")
    with pytest.raises(InputError, match="no word and synonym of one piece each"):
        read_synonyms(file, tokenizer)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dlete=0.3",), r"no operation 'dlete=0.3' on sentences. Did you mean 'delete'"),
        (("delete",), r"the operation 'delete' has no number"),
        (("delete=1.5",), r"delete has the share 1.5; expected a number above 0 and below 1"),
        (("reorder=0x0.1",), r"reorder has 0 spans; expected 1 or more"),
        (("shuffle", "delete=0.1"), r"those on words come before shuffle"),
        (("substitute=0.1",), r"substitute needs a table of synonyms"),
    ],
)
def test_wrong_operations_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        build_text_policies(TextViewSettings(first=words))
