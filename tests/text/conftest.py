import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # for two_text_processes, which worker processes run as a script

WORDS = "the a cat dog bird sat ran flew on in under mat tree sky old young play ##ing ##ed . , quick slow and then it"
MORE = "was big small red green house river"
PIECES = f"[PAD] [UNK] [CLS] [SEP] [MASK] {WORDS} {MORE}".split(" ")


@pytest.fixture(scope="session")
def vocabulary_folder(tmp_path_factory):
    """A WordPiece tokeniser of a few words, whose file cuts and fills up to 8 tokens, as published ones do."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(
        models.WordPiece({piece: place for place, piece in enumerate(PIECES)}, unk_token="[UNK]")
    )
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.enable_truncation(8)
    made.enable_padding(length=8)
    folder = tmp_path_factory.mktemp("vocabulary")
    made.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return folder


@pytest.fixture(scope="session")
def tokenizer(vocabulary_folder):
    # imported here: what a conftest imports is loaded before shapes are checked
    from contrascope.text.tokenizer import load_tokenizer

    return load_tokenizer(str(vocabulary_folder))


@pytest.fixture(scope="session")
def vocabulary(tokenizer):
    return tokenizer.vocabulary


TEXT = f"the cat sat on the mat . a dog ran in the old tree {'and it flew under the sky then it was slow'}".split(
    " "
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Sentences of a few words, and documents that are long enough for spans."""
    folder, source = tmp_path_factory.mktemp("corpus"), torch.Generator().manual_seed(0)

    def text(length):
        return " ".join(TEXT[k] for k in torch.randint(0, len(TEXT), (length,), generator=source).tolist())

    (folder / "train.txt").write_text("\n".join(text(6 + k % 9) for k in range(48)) + "\n")
    (folder / "documents.txt").write_text("\n".join(text(60) for _ in range(24)) + "\n")
    for name in ("sts12", "stsb"):
        (folder / name).mkdir()
        pairs = [(text(6), text(6)) for _ in range(40)]
        table = {
            "sentence1": [one for one, _ in pairs],
            "sentence2": [two for _, two in pairs],
            "score": [float(k % 6) for k in range(40)],
            "subset": ["a"] * 25 + ["b"] * 15,
        }
        pq.write_table(pa.table(table), folder / name / "test-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="session")
def flags(vocabulary_folder):
    return [
        *("--encoder.vocabulary", str(vocabulary_folder), "--encoder.width", "8", "--encoder.depth", "1"),
        *("--encoder.heads", "2", "--training.batch-size", "8", "--training.threads", "1"),
        *("--monitor.times", "0", "-q"),
    ]
