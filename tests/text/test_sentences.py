"""Tokenised texts: ids, cutting, pairs, and batches of like length."""

import pytest
import torch

from contrascope.errors import InputError
from contrascope.text.sentences import from_texts
from contrascope.text.settings import TextDataSettings
from contrascope.text.tokenizer import load_tokenizer
from contrascope.text.vocabulary import Vocabulary


def drawn_texts(count, seed=0):
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 20, (count,), generator=source).tolist()
    return [" ".join(["cat"] * length) for length in lengths]


def test_the_file_of_a_tokeniser_neither_cuts_nor_fills_up(tokenizer):
    found = tokenizer.encode(["cat " * 30, "playing"])
    assert found.lengths.tolist() == [30, 2]
    assert tokenizer.pieces(found.values[-2:].tolist()) == ["play", "##ing"]


def test_pieces_that_begin_a_word_are_told_by_the_tokeniser_s_own_mark(vocabulary):
    assert vocabulary.begins.logical_not().sum() == 2
    of_bytes = Vocabulary.of(
        ["<pad>", "<s>", "</s>", "<mask>", "Ġcat", "s"], pad="<pad>", first="<s>", last="</s>", mask="<mask>"
    )
    assert of_bytes.begins.tolist() == [False, False, False, False, True, False]


def test_sentences_are_cut_and_documents_are_not(tokenizer):
    texts = [["cat " * 30, "dog"]]
    cut = from_texts(texts, TextDataSettings(max_length=10), tokenizer)
    assert (cut.columns[0].lengths.tolist(), cut.cut) == ([8, 1], 0.5)
    whole = from_texts(texts, TextDataSettings(max_length=10, documents=True), tokenizer)
    assert (whole.columns[0].lengths.tolist(), whole.cut) == ([30, 1], 0.0)


def test_pairs_are_gathered_together(tokenizer):
    held = from_texts(
        [["cat", "dog sat"], ["a cat", "dog"]], TextDataSettings(columns=("text", "positive")), tokenizer
    )
    (first, long), (second, other) = held.gather(torch.tensor([1]))
    assert (long.tolist(), other.tolist()) == ([2], [1])
    assert tokenizer.text(first[0].tolist()) == "dog sat"
    assert tokenizer.text(second[0].tolist()) == "dog"


def test_batches_hold_every_text_once_and_texts_of_like_length(tokenizer):
    held = from_texts([drawn_texts(200)], TextDataSettings(bucket=8), tokenizer)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    batches = list(held.batches(order, 10))
    assert torch.cat([ids for ids, _ in batches]).sort().values.tolist() == list(range(200))
    spread = [(rows[0][1].max() - rows[0][1].min()).item() for _, rows in batches]
    plain = from_texts([drawn_texts(200)], TextDataSettings(bucket=0), tokenizer)
    mixed = [(rows[0][1].max() - rows[0][1].min()).item() for _, rows in plain.batches(order, 10)]
    assert sum(spread) < 0.3 * sum(mixed)
    assert torch.cat([ids for ids, _ in plain.batches(order, 10)]).tolist() == order.tolist()


def test_a_run_that_goes_on_sees_the_batches_that_it_would_have_seen(tokenizer):
    held = from_texts([drawn_texts(100)], TextDataSettings(bucket=4), tokenizer)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(2))
    whole, later = list(held.batches(order, 8)), list(held.batches(order, 8, start=5))
    assert [ids.tolist() for ids, _ in later] == [ids.tolist() for ids, _ in whole[5:]]


def test_equal_texts_have_equal_fingerprints(tokenizer):
    one, same, other = (
        from_texts([texts], TextDataSettings(), tokenizer).fingerprint
        for texts in (["cat", "dog"], ["cat", "dog"], ["dog", "cat"])
    )
    assert one == same != other


def test_what_gives_no_tokens_or_no_tokeniser_is_refused(tokenizer, tmp_path):
    with pytest.raises(InputError, match="row 2: the tokeniser finds nothing in it"):
        from_texts([["cat", " "]], TextDataSettings(), tokenizer)
    with pytest.raises(InputError, match=r"no tokeniser is named; give encoder\.vocabulary"):
        load_tokenizer("")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer.json cannot be read as a tokeniser"):
        load_tokenizer(str(tmp_path))
