"""Advice on views of sentences: what is measured by hand, what can be told, and what cannot."""

import json

import pytest
import torch

from contrascope.advice.sentences.advise import (
    CLASSES,
    HALVES,
    NOTHING,
    TextAdvice,
    TriedViews,
    advise_sentences,
    candidates,
)
from contrascope.advice.sentences.proxy import WordMean, learnt, rows_by
from contrascope.advice.sentences.settings import TextAdviceSettings
from contrascope.commands.main import main
from contrascope.errors import InputError
from contrascope.intervals import Estimate
from contrascope.terminal.text_advice import show_text_advice
from contrascope.text.packed import packed, text_rows
from contrascope.text.policy import build_text_policies
from contrascope.text.ragged import Ragged
from contrascope.text.settings import TextViewSettings
from contrascope.text.vocabulary import Vocabulary

TOPICS, WORDS_OF = 40, 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sentences of one topic each: words of a topic stand together, so halves share a topic and hardly a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder, source = tmp_path_factory.mktemp("topics"), torch.Generator().manual_seed(0)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [f"t{topic}w{word}" for topic in range(TOPICS) for word in range(WORDS_OF)]
    made = Tokenizer(models.WordLevel({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.save(str(folder / "tokenizer.json"))
    lines = []
    for place in range(1200):
        topic = place % TOPICS
        words = torch.randint(0, WORDS_OF, (10,), generator=source).tolist()
        text = " ".join(f"t{topic}w{word}" for word in words)
        lines.append(json.dumps({"text": text, "topic": f"topic {topic}"}))
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def settings(corpus, **more):
    small = {"delete": (0.5,), "keep": (), "sentences": 1200, "steps": 60, "batch": 64, "width": 16}
    return TextAdviceSettings(vocabulary=str(corpus), **{**small, **more})


def test_deleted_words_teach_what_stands_together_and_dropout_does_not(corpus):
    found = advise_sentences(str(corpus / "corpus.jsonl"), settings(corpus))
    assert [one.words for one in found.tried] == ["delete=0.5", ""]
    assert (found.ranked_by, found.word, found.equal) == (HALVES, "delete=0.5", ())
    best, plain = found.tried
    assert (best.left, plain.left) == (0.5, 1.0)
    assert best.counted < plain.counted == 1.0
    assert best.over_random.low > 0
    assert best.score.value > plain.score.value + 0.1
    assert found.over_dropout is not None
    assert found.over_dropout.low > 0
    again = advise_sentences(str(corpus / "corpus.jsonl"), settings(corpus))
    assert again == found


def test_equal_candidates_cannot_be_told_apart(corpus):
    found = advise_sentences(str(corpus / "corpus.jsonl"), settings(corpus, delete=(0.5, 0.500001)))
    assert found.word == "cannot be told"
    assert len(found.equal) == 1
    said = show_text_advice(found, as_json=False)
    assert "Which is best cannot be told" in said
    assert "contrascope train" not in said


def test_with_labels_the_nearest_sentence_decides(corpus, capsys):
    found = advise_sentences(str(corpus / "corpus.jsonl"), settings(corpus), labels="topic")
    assert found.ranked_by == CLASSES
    assert found.tried[0].words == "delete=0.5"
    assert found.tried[0].score.value > 0.9
    small = (
        "--text.sentences",
        "1200",
        "--text.steps",
        "2",
        "--text.delete",
        "0.5",
        "--text.keep",
        "0.4",
        "-q",
    )
    words = ["advise", str(corpus / "corpus.jsonl"), "--text.vocabulary", str(corpus), *small]
    assert main([*words, "--labels", "topic", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ranked_by"] == CLASSES
    assert {one["words"] for one in told["tried"]} == {"", "delete=0.5", "crop=0.4"}
    assert main([*words, "--labels", "author"]) == 2
    assert "has no column 'author'; it has text, topic" in capsys.readouterr().err


def test_the_small_network_is_the_mean_of_its_words_by_hand():
    some = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
    network = WordMean(some.size, 3, seed=0).eval()
    rows = packed(
        text_rows(torch.tensor([[4, 5, 5], [5, 0, 0]]), torch.tensor([3, 1])), first=1, last=2, pad=0
    )
    weight = network.tokens.weight
    torch.testing.assert_close(network(rows)[0], (weight[4] + 2 * weight[5]) / 3)
    torch.testing.assert_close(network(rows)[1], weight[5])


def test_the_short_training_is_a_function_of_its_arguments():
    some = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(20))])
    values = torch.randint(4, 24, (64 * 8,), generator=torch.Generator().manual_seed(0)).to(torch.int32)
    rows = Ragged.of(values, torch.full((64,), 8))
    policy = build_text_policies(TextViewSettings(first=("delete=0.5",)))[0]
    told = {"width": 8, "steps": 5, "batch": 16, "seed": 3}
    one, other = (learnt(rows, policy, some, **told) for _ in range(2))
    assert torch.equal(one.tokens.weight, other.tokens.weight)
    still = learnt(rows, policy, some, **{**told, "steps": 0})
    assert not torch.equal(one.tokens.weight, still.tokens.weight)
    assert rows_by(one, rows, some).shape == (64, 8)


def estimate(value):
    return Estimate(value=value, low=value - 0.01, high=value + 0.01)


def test_what_is_said_of_hand_made_numbers():
    def tried(words, score):
        return TriedViews(
            words=words, left=0.7, counted=0.99, score=estimate(score), over_random=estimate(1.0)
        )

    advice = TextAdvice(
        data="x.txt",
        ranked_by=HALVES,
        tried=(tried("delete=0.3", 0.4), tried("", 0.3)),
        random=estimate(0.1),
        counts=estimate(0.5),
        equal=(),
        over_dropout=Estimate(value=0.4, low=-0.1, high=0.9),
    )
    said = show_text_advice(advice, as_json=False)
    for words in (
        "Best here: delete=0.3",
        "None is told to be above dropout alone",
        "TF-IDF is above all of them",
        "Under delete=0.3 counts of words find the other view",
        "not a result",
        NOTHING,
    ):
        assert words in said


def test_what_is_too_little_or_wrong_is_refused(corpus, tmp_path):
    file = tmp_path / "few.txt"
    file.write_text("t0w1 t0w2 t0w3 t0w4 t0w5 t0w6\n" * 20)
    with pytest.raises(InputError, match="has 20 sentences of 6 tokens or more; expected 800 or more"):
        advise_sentences(str(file), settings(corpus))
    with pytest.raises(InputError, match=r"no tokeniser is named; give --text.vocabulary"):
        advise_sentences(str(file), TextAdviceSettings())
    with pytest.raises(InputError, match=r"text.delete has 1.5; expected shares above 0"):
        settings(corpus, delete=(1.5,))
    with pytest.raises(InputError, match="both empty"):
        settings(corpus, delete=(), keep=())
    assert candidates(TextAdviceSettings(delete=(0.25,), keep=())) == ["", "delete=0.25"]
