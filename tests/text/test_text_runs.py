"""Runs on sentences, as a user trains, resumes, evaluates and diagnoses them."""

import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contrascope import records
from contrascope.commands.main import main
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.sts_settings import StsSettings
from contrascope.jobs.train import train
from contrascope.records.suites import SimilarityRecord
from contrascope.records.typed import read_record
from contrascope.runs.load import load_run
from contrascope.runs.text_load import load_text_run, random_twin_of_text
from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.runs.text_settings import read_any_settings
from contrascope.settings import to_json
from contrascope.subjects.sentences import open_text_subject
from contrascope.suites.sentence_transfer import BAG, sentence_transfer
from contrascope.suites.sts import sts_suite


def run(name, out, corpus, flags, *more, source="train.txt"):
    return main(
        ["train", f"text-{name}-cpu", "--data.source", str(corpus / source), "--out", str(out), *flags, *more]
    )


@pytest.fixture(scope="module")
def mlm_run(corpus, flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mlm"
    assert run("mlm", out, corpus, flags, "--training.epochs", "1") == 0
    return out


@pytest.fixture(scope="module")
def simcse_run(corpus, flags, mlm_run):
    out = mlm_run.parent / "simcse"
    head = ("--method.projector.out", "8", "--encoder.start", str(mlm_run))
    assert run("simcse", out, corpus, flags, *head) == 0
    return out


MORE = {
    "consert": (),
    "clear": ("--method.projector.out", "6"),
    "cert": ("--method.projector.out", "6", "--method.queue-size", "16"),
    "declutr": ("--method.spans.shortest", "4", "--method.spans.longest", "12", "--training.epochs", "1"),
}


@pytest.mark.parametrize("name", MORE)
def test_every_recipe_trains_from_a_run_of_mlm(name, corpus, flags, mlm_run, tmp_path):
    source = "documents.txt" if name == "declutr" else "train.txt"
    start = ("--encoder.start", str(mlm_run))
    assert run(name, tmp_path / "run", corpus, flags, *start, *MORE[name], source=source) == 0
    rows = [row for row in records.read_metrics(tmp_path / "run" / records.METRICS) if row["kind"] == "step"]
    assert rows[-1]["loss"] == pytest.approx(rows[-1]["align"] + rows[-1]["spread"])
    assert ("method_masked_loss" in rows[-1]) == (name in ("clear", "declutr"))


def settings_for(corpus, vocabulary_folder, **more):
    made = to_json(TEXT_RECIPES["text-clear-cpu"].make())
    made["data"] |= {"source": str(corpus / "train.txt"), "bucket": 2}
    made["encoder"] |= {"vocabulary": str(vocabulary_folder), "width": 8, "depth": 1, "heads": 2}
    made["training"] |= {
        "epochs": 3,
        "batch_size": 8,
        "threads": 1,
        "log_every": 1,
        "checkpoint_every": 4,
    } | more
    return read_any_settings(made)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(corpus, vocabulary_folder, tmp_path):
    settings = settings_for(corpus, vocabulary_folder)
    train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", until=1)
    assert load_text_run(tmp_path / "parts").step == 6
    train(settings, tmp_path / "parts", resume=True)
    one, other = (load_text_run(tmp_path / name) for name in ("whole", "parts"))
    assert (one.step, other.step) == (18, 18)
    for (name, value), again in zip(
        one.method.state_dict().items(), other.method.state_dict().values(), strict=True
    ):
        assert torch.equal(value, again), name
    assert read_any_settings(to_json(settings)) == settings


def test_a_run_goes_on_with_its_own_sentences_alone(corpus, vocabulary_folder, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text((corpus / "train.txt").read_text())
    settings = settings_for(corpus, vocabulary_folder)
    data = {**to_json(settings.data), "source": str(file)}
    settings = read_any_settings({**to_json(settings), "data": data})
    train(settings, tmp_path / "run", until=1)
    file.write_text((corpus / "train.txt").read_text().replace("cat", "dog"))
    with pytest.raises(InputError, match=r"was trained on other images|data_fingerprint"):
        train(settings, tmp_path / "run", resume=True)


def test_training_begins_with_the_weights_of_the_other_run(corpus, flags, mlm_run, simcse_run):
    begun, other = load_text_run(simcse_run), load_text_run(mlm_run)
    gap = begun.encoder.trunk.tokens.weight - other.encoder.trunk.tokens.weight
    drawn = random_twin_of_text(other).encoder.trunk.tokens.weight
    assert 0 < gap.abs().max() < 0.01 < (drawn - other.encoder.trunk.tokens.weight).abs().max()
    other_shape = ("--encoder.start", str(mlm_run), "--encoder.width", "16")
    assert run("simcse", simcse_run.parent / "no", corpus, flags, *other_shape) == 2
    assert not (simcse_run.parent / "no").exists()


@pytest.mark.parametrize("name", ["simcse", "cert"])
def test_tokens_weigh_by_the_sentences_of_training_whatever_it_began_with(
    name, corpus, flags, mlm_run, tmp_path
):
    more = ("--encoder.start", str(mlm_run), "--encoder.pool", "sif", "--training.epochs", "1")
    assert run(name, tmp_path / "run", corpus, flags, *more, "--method.projector.out", "8") == 0
    opened = load_text_run(tmp_path / "run")
    counts = torch.zeros(opened.tokenizer.vocabulary.size)
    for row in opened.tokenizer.encode((corpus / "train.txt").read_text().splitlines()).values.tolist():
        counts[row] += 1
    expected = (1e-3 / (1e-3 + counts / counts.sum())).clone()
    expected[opened.tokenizer.vocabulary.special] = 0
    twin = random_twin_of_text(opened).encoder
    for encoder in (opened.encoder, twin, getattr(opened.method, "target_encoder", opened.encoder)):
        torch.testing.assert_close(encoder.weights, expected)
    assert main(["diagnose", str(tmp_path / "run"), "-q"]) == 0


def test_sts_counts_its_corpus_where_it_is_asked_to_weigh_tokens(mlm_run, corpus, tmp_path):
    shutil.copytree(mlm_run, tmp_path / "run")
    asked = ["evaluate", str(tmp_path / "run"), str(corpus), "--suite", "sts", "--sts.sets", "stsb", "-q"]
    asked += ["--sts.draws", "0", "--sts.pool", "sif", "--sts.references", "random"]
    assert main(asked) == 0
    record = read_record(SimilarityRecord, tmp_path / "run" / SimilarityRecord.FILE).require("rows")
    assert record.pool == "sif"
    assert len(record.rows) == 2


def test_tokens_are_not_weighed_without_a_corpus_and_nothing_is_written(mlm_run, corpus):
    subject = open_text_subject(str(mlm_run), pool="sif")
    nameless = replace(subject, data=replace(subject.data, source=""))
    settings = StsSettings(sets=("stsb",), pool="sif", draws=0, references=("random",))
    with pytest.raises(InputError, match=r"weighs tokens by a corpus, and none is named; give --sts\.corpus"):
        sts_suite(nameless, corpus, settings, out=mlm_run / "nothing")
    assert not (mlm_run / "nothing").exists()


def test_a_run_keeps_its_tokeniser(simcse_run, vocabulary_folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(simcse_run, moved)
    tree = json.loads((moved / records.SETTINGS).read_text())
    tree["encoder"]["vocabulary"] = "/nowhere"
    (moved / records.SETTINGS).write_text(json.dumps(tree))
    texts = ["the cat was playing"]
    one, other = (load_text_run(path) for path in (simcse_run, moved))
    assert torch.equal(one.tokenizer.encode(texts).values, other.tokenizer.encode(texts).values)
    (moved / "tokenizer.json").unlink()
    (moved / "tokenizer.json").symlink_to(vocabulary_folder / "tokenizer.json")
    with pytest.raises(InputError, match="is a link, and links inside a run's folder are not followed"):
        load_text_run(moved)


def test_scored_pairs_stand_beside_their_references(simcse_run, corpus, capsys):
    words = [
        "evaluate",
        str(simcse_run),
        str(corpus),
        "--suite",
        "sts",
        "--sts.sets",
        "sts12",
        "stsb",
        "--sts.draws",
        "20",
    ]
    assert main([*words, "-q"]) == 0
    told = capsys.readouterr().out
    assert "random twin" in told
    assert "avg6" in told
    assert main([*words, "--json", "-q"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["of"] for row in rows} == {"TF-IDF", "bag of words", "random twin", str(simcse_run)}
    assert all(row["low"] <= row["all"] <= row["high"] for row in rows)
    kept = read_record(SimilarityRecord, simcse_run / SimilarityRecord.FILE).record
    assert len(kept.rows) == 8
    assert kept.step == 6
    assert main(["evaluate", str(simcse_run), str(corpus / "stsb"), "--suite", "sts", "-q"]) == 2


def test_a_run_is_diagnosed_and_one_without_dropout_is_not_called_learning(
    simcse_run, corpus, flags, mlm_run, capsys
):
    asked = ("--diagnosis.images", "40", "--diagnosis.draws", "0", "--diagnosis.views", "2", "-q")
    assert main(["diagnose", str(simcse_run), *asked]) in (0, 3)
    told = capsys.readouterr().out
    assert "sentences measured" in told
    assert "image" not in told
    assert "an sentence" not in told
    assert (simcse_run / records.DIAGNOSIS).exists()
    out = simcse_run.parent / "off"
    off = ("--encoder.dropout", "0", "--encoder.attention-dropout", "0", "--method.projector.out", "8")
    assert run("simcse", out, corpus, flags, *off, "--encoder.start", str(mlm_run)) == 0
    capsys.readouterr()
    assert main(["diagnose", str(out), *asked, "--json"]) in (0, 3)
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["learning"]["word"] in ("not learning", "cannot be told")
    if verdict["sound"]["word"] == "sound":
        assert verdict["learning"]["reason"] == "its two views are one"


def test_what_is_for_images_refuses_a_run_on_sentences(simcse_run, capsys):
    assert (
        main(["embed", str(simcse_run), "digits", "--out", str(simcse_run.parent / "x.safetensors"), "-q"])
        == 2
    )
    assert "is a run on sentences, and this is for images" in capsys.readouterr().err
    with pytest.raises(InputError, match="is a run on sentences"):
        load_run(simcse_run)


def test_recipes_are_named_and_each_prints_settings_that_can_be_read_back(capsys):
    assert len(TEXT_RECIPES) == 8
    for name, recipe in TEXT_RECIPES.items():
        assert main(["train", name, "--print-settings"]) == 0
        assert read_any_settings(json.loads(capsys.readouterr().out)) == recipe.make()
    assert main(["train", "text-mlm-cpu", "-q"]) == 2
    assert "no sentences are named" in capsys.readouterr().err


def test_labelled_sentences_stand_beside_tf_idf(simcse_run, tmp_path, capsys):
    cats = [f"the cat sat on the {word}" for word in ("mat", "tree", "sky", "house") for _ in range(8)]
    dogs = [f"a dog ran in the {word}" for word in ("mat", "tree", "sky", "river") for _ in range(8)]
    table = pa.table({"text": [*cats, *dogs], "label": [0] * 32 + [1] * 32})
    for name, splits in (("sst2", ("train", "test")), ("mr", ("train",))):
        (tmp_path / name).mkdir()
        for split in splits:
            pq.write_table(table, tmp_path / name / f"{split}-00000-of-00001.parquet")
    found = sentence_transfer(
        open_text_subject(str(simcse_run)),
        tmp_path,
        sets=("sst2", "mr"),
        protocol=Protocol(probes=("linear", "knn"), k=5),
    )
    assert {row["split"] for row in found["sst2"]} == {"test"}
    assert {row["split"] for row in found["mr"]} == {"held-out"}
    bag = next(row for row in found["sst2"] if row["of"] == BAG)
    assert (bag["value"], bag["n"]) == (1.0, 64)
    assert {row["of"] for row in found["mr"]} == {BAG, "random twin", str(simcse_run)}
    assert main(["evaluate", str(simcse_run), str(tmp_path), "--suite", "sentences", "-q"]) == 2
    assert "cr" in capsys.readouterr().err
