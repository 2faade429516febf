"""A run on sentences as sentence-transformers and transformers open it."""

import json
from dataclasses import replace

import pytest
import torch

from contrascope.commands.main import main
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.errors import InputError
from contrascope.exports.sentence_folder import (
    prelayernorm_config,
    prelayernorm_tensors,
    write_sentence_folder,
)
from contrascope.features.sentences import embed_texts
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.jobs.train import train
from contrascope.runs.text_load import load_text_run
from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.text.tokenizer import load_tokenizer

TEXTS = ["the cat sat on the mat .", "a dog", "it was <b>big</b> [SEP] and the played", "the " * 200, ""]
WORDS = "[UNK] [PAD] [CLS] [SEP] [MASK] the a cat dog sat on mat it was big and play ##ed . b"


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder = tmp_path_factory.mktemp("sentences")
    pieces = WORDS.split(" ")
    made = Tokenizer(models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[MASK]"])
    made.save(str(folder / "tokenizer.json"))
    (folder / "train.txt").write_text(
        "\n".join(f"the {a} sat on a {b}" for a in pieces[5:] for b in pieces[9:])
    )
    recipe = TEXT_RECIPES["text-simcse-cpu"].make()
    network = replace(recipe.encoder, vocabulary=str(folder), width=16, depth=2, heads=2)
    settings = replace(
        recipe,
        data=replace(recipe.data, source=str(folder / "train.txt"), max_length=12),
        encoder=network,
        method=replace(recipe.method, projector=replace(recipe.method.projector, out=16)),
        training=replace(recipe.training, batch_size=16, threads=1),
        optim=replace(recipe.optim, lr=1e-2),
        monitor=MonitorSettings(times=0),
    )
    train(settings, folder / "run")
    return folder / "run"


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    """Transformers imports torchvision where it is installed."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pool", ["mean", "cls", "sif"])
def test_sentence_transformers_gives_the_same_embeddings(text_run, pool, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    run = load_text_run(text_run)
    run.encoder.pool = pool
    run.encoder.count(torch.arange(run.tokenizer.vocabulary.size) ** 2)
    write_sentence_folder(run.encoder, run.tokenizer, tmp_path, max_length=12)
    found = torch.as_tensor(library.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS))
    expected = embed_texts(run.encoder, run.tokenizer, TEXTS, max_length=12)
    assert found.shape == (len(TEXTS), 16)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (expected[0] - expected[1]).norm() > 0.05


@pytest.mark.filterwarnings("ignore")
def test_the_command_compares_before_it_writes_and_says_so(text_run, capsys):
    pytest.importorskip("sentence_transformers")
    assert main(["export", str(text_run), "--to", "sentence-transformers"]) == 0
    told = capsys.readouterr()
    folder = text_run / "exports" / told.out.strip().rpartition("/")[2]
    assert "outputs differ from the encoder's by at most" in told.err
    assert "of the run's sentences" in told.err
    card = (folder / "README.md").read_text()
    assert 'library_name: "sentence-transformers"' in card
    assert "SimCSE" in card
    assert str(text_run.parent) not in card
    assert json.loads((folder / "2_Pooling" / "config.json").read_text())["pooling_mode_mean_tokens"] is True


def test_names_and_shapes_are_those_of_transformers(text_run):
    transformers = pytest.importorskip("transformers")
    trunk = load_text_run(text_run).encoder.trunk
    told = prelayernorm_config(trunk, pad=1)
    config = transformers.RobertaPreLayerNormConfig(
        **{k: v for k, v in told.items() if k not in ("architectures", "torch_dtype")}
    )
    model = transformers.RobertaPreLayerNormModel(config)
    missing, unexpected = model.load_state_dict(prelayernorm_tensors(trunk, pad=1), strict=False)
    assert (missing, unexpected) == ([], [])


def test_the_tokeniser_that_is_written_makes_the_same_ids_with_special_ones_around(text_run, tmp_path):
    from tokenizers import Tokenizer

    run = load_text_run(text_run)
    write_sentence_folder(run.encoder, run.tokenizer, tmp_path, max_length=12)
    opened, words = Tokenizer.from_file(str(tmp_path / "tokenizer.json")), run.tokenizer.vocabulary
    for text in TEXTS:
        ids = run.tokenizer.encode([text]).values.tolist()
        assert opened.encode(text).ids == [words.cls, *ids, words.sep]
    assert load_tokenizer(str(tmp_path)).vocabulary.mask == words.mask


def test_what_cannot_be_exported_is_refused_and_nothing_is_left(text_run, tmp_path, capsys):
    run = load_text_run(text_run)
    run.encoder.pool = "first-last"
    with pytest.raises(
        InputError, match="pools one layer, by cls or mean or sif, and this encoder pools by first-last"
    ):
        write_sentence_folder(run.encoder, run.tokenizer, tmp_path, max_length=12)
    for to in ("timm", "parquet"):
        assert main(["export", str(text_run), "--to", to, "--out", str(tmp_path / f"x.{to}")]) == 2
        assert "is a run on sentences, and --to" in capsys.readouterr().err
    with pytest.raises(InputError, match="--split is for parquet and csv"):
        export_run(text_run, ExportSettings(to="sentence-transformers", split="test"))
    with pytest.raises(InputError, match="is for runs on sentences, and this is none"):
        export_run(tmp_path, ExportSettings(to="sentence-transformers"))
    assert list(tmp_path.iterdir()) == []
