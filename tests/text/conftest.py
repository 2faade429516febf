import json

import pytest

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
