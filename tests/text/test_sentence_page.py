"""The page of a run on sentences: text in place of pictures, escaped; and the plane of alignment and uniformity."""

import json
import math
from dataclasses import replace

import pytest
import torch

from contrascope import records
from contrascope.commands.main import main
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import ProjectorSettings
from contrascope.evaluation.sts import ScoredPairs, placed
from contrascope.gallery.sentences import NEAR, SHOWN, sentence_gallery
from contrascope.jobs.train import train
from contrascope.records.sentences import SentenceGalleryRecord, ViewedTextEntry
from contrascope.records.suites import SimilarityEntry, SimilarityRecord
from contrascope.records.typed import read_record
from contrascope.reports.load import load
from contrascope.reports.page import render
from contrascope.reports.sentences import texts
from contrascope.reports.static_panels import panels
from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.subjects.sentences import open_text_subject
from contrascope.text.settings import TextViewSettings

HEAD = ProjectorSettings(hidden=(), out=8, activation="tanh", activation_out=True)


@pytest.fixture(scope="module")
def text_run(corpus, vocabulary_folder, tmp_path_factory):
    """A run on sentences of which one is markup."""
    folder = tmp_path_factory.mktemp("page")
    lines = (corpus / "train.txt").read_text()
    (folder / "train.txt").write_text(lines + "the cat . the cat . the cat . the cat\n" * 2)
    made = TEXT_RECIPES["text-simcse-cpu"].make()
    settings = replace(
        made,
        data=replace(made.data, source=str(folder / "train.txt")),
        encoder=replace(made.encoder, vocabulary=str(vocabulary_folder), width=8, depth=1, heads=2),
        views=TextViewSettings(first=("delete=0.3",)),
        method=replace(made.method, projector=HEAD),
        training=replace(made.training, batch_size=10, threads=1, log_every=1),
        monitor=MonitorSettings(times=2, images=32),
    )
    train(settings, folder / "run")
    return folder / "run"


def test_the_record_names_the_pairs_that_lie_farthest_apart(text_run):
    found = sentence_gallery(open_text_subject(str(text_run)))
    assert (len(found.worst), len(found.best), len(found.neighbours)) == (SHOWN, SHOWN, SHOWN)
    far, close = ([row.alignment for row in rows] for rows in (found.worst, found.best))
    assert far == sorted(far, reverse=True)
    assert close == sorted(close)
    assert far[0] >= close[0]
    for row in (*found.worst, *found.best):
        assert len(row.views) == 2
        words = row.text.split()
        assert all(len(view.split()) < len(words) for view in row.views)  # a third is deleted
        assert all(set(view.split()) <= set(words) for view in row.views)
    for row in found.neighbours:
        cosines = [one.cosine for one in row.near]
        assert len(row.near) == NEAR
        assert cosines == sorted(cosines, reverse=True)
    twice = [row for row in found.neighbours if row.text.startswith("the cat . the cat")]
    for row in twice:
        assert row.near[0].text == row.text
        assert row.near[0].cosine == pytest.approx(1.0, abs=1e-6)
    assert found == sentence_gallery(open_text_subject(str(text_run)))


def test_the_page_is_made_at_once_and_shows_text_answers_and_curves(text_run, capsys):
    assert main(["report", str(text_run)]) == 0
    told = capsys.readouterr()
    assert "sentences and their neighbours" in told.err
    assert "diagnosed" in told.err
    page = (text_run / "report.html").read_text()
    for words in (
        "Sentences whose views lie farthest apart",
        "Nearest neighbours",
        "Is it sound?",
        "Loss by halves",
        "gain over random weights, halves of sentences",
    ):
        assert words in page, words
    assert "gallery.json is missing" not in page
    assert "evaluation.json is missing" not in page
    kept = read_record(SentenceGalleryRecord, text_run / SentenceGalleryRecord.FILE).record
    assert kept.step == 5
    capsys.readouterr()
    assert main(["report", str(text_run)]) == 0
    assert "diagnosed" not in capsys.readouterr().err


def test_text_is_never_markup_and_a_damaged_record_costs_only_itself(text_run, tmp_path):
    evil = "<script>alert(1)</script>"
    row = {"text": evil, "views": [evil, "<b>x"], "alignment": 0.5}
    near = {"text": evil, "near": [{"text": "<img src=x onerror=y>", "cosine": 0.9}]}
    tree = {"format": 1, "kind": "sentence_gallery", "step": 1, "data": evil, "measured": 3}
    run = tmp_path / "evil"
    run.mkdir()
    (run / records.SETTINGS).write_text((text_run / records.SETTINGS).read_text())
    file = run / SentenceGalleryRecord.FILE
    whole = {**tree, "worst": [row], "best": [row], "neighbours": [near]}
    file.write_text(json.dumps(whole))
    page = render([run])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert evil not in page
    assert "<img src=x" not in page
    file.write_text(json.dumps({**whole, "worst": 3, "neighbours": [{"near": 5}]}))
    assert "Sentences whose views lie closest together" in render([run])
    file.write_text("{")
    assert "sentences.json is damaged" in render([run])
    file.unlink()
    assert "sentences.json is missing" in render([run])


def test_views_of_dropout_alone_are_said_to_have_the_same_words(text_run):
    shown = load(text_run)
    row = {"text": "a b", "views": ("a b", "a b"), "alignment": 0.25}
    same = SentenceGalleryRecord(
        step=1, data="x", measured=9, worst=(ViewedTextEntry(**row),), best=(), neighbours=()
    )
    table = texts.worst(replace(shown, sentences=same))
    assert table is not None
    assert table.head == ("sentence", "words of both views", "squared distance (0 to 4)")
    assert "dropout alone tells them apart" in table.read
    assert texts.best(replace(shown, sentences=same)) is None
    long = replace(same, worst=(ViewedTextEntry(**{**row, "text": "w" * 900}),))
    table = texts.worst(replace(shown, sentences=long))
    assert table is not None
    assert len(table.rows[0][0]) == texts.LONGEST


def test_alignment_and_uniformity_of_scored_pairs_by_hand():
    first = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    second = torch.tensor([[0.0, 1.0], [0.0, 1.0], [-5.0, 0.0]])
    pairs = ScoredPairs(
        name="stsb",
        first=["a", "b", "a"],
        second=["b", "b", "c"],
        scores=torch.tensor([4.0, 4.5, 3.9], dtype=torch.float64),
        subsets=["", "", ""],
    )
    found = placed(first, second, pairs)
    assert found.alignment == pytest.approx((2.0 + 0.0) / 2)  # (1,0)-(0,1) and (0,1)-(0,1)
    # three different sentences: (1,0), (0,1), (-1,0), at squared distances 2, 2 and 4
    assert found.uniformity == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3))
    none = replace(pairs, scores=torch.zeros(3, dtype=torch.float64))
    assert placed(first, second, none).alignment is None


def entry(of, alignment, uniformity, **more):
    told = {
        "set": "stsb",
        "split": "test",
        "n": 9,
        "all": 0.5,
        "low": 0.4,
        "high": 0.6,
        "mean": 0.5,
        "wmean": 0.5,
    }
    return SimilarityEntry(**{**told, "of": of, "alignment": alignment, "uniformity": uniformity, **more})


def scored(folder, source, rows):
    folder.mkdir()
    (folder / records.SETTINGS).write_text((source / records.SETTINGS).read_text())
    kept = SimilarityRecord(encoder="x", pool="mean", max_length=64, rows=tuple(rows))
    records.write_record(folder / SimilarityRecord.FILE, kept)
    return folder


def test_the_plane_has_a_point_a_run_from_scored_pairs_alone(text_run, tmp_path, capsys):
    random, words = entry("random twin", 0.1, -1.0), entry("TF-IDF", None, None)
    a = scored(tmp_path / "a", text_run, [words, random, entry("runs/a", 0.25, -2.5)])
    b = scored(tmp_path / "b", text_run, [words, random, entry("runs/b", 0.5, -3.0)])
    (both,) = panels("alignment-uniformity", [a, b])
    assert both.places == [(-2.5, 0.25), (-3.0, 0.5)]
    assert both.names == {0: "a", 1: "b"}
    assert "STS-B" in both.title
    assert not both.equal
    (alone,) = panels("alignment-uniformity", [a])
    assert alone.places == [(-2.5, 0.25), (-1.0, 0.1)]
    assert alone.names[1] == "random weights"
    old = scored(tmp_path / "old", text_run, [entry("runs/old", None, None)])
    assert main(["figure", str(a), str(old), "alignment-uniformity", "--out", str(tmp_path / "x.svg")]) == 2
    assert "contrascope evaluate RUN FOLDER --suite sts" in capsys.readouterr().err


def test_without_scored_pairs_the_plane_is_of_each_run_s_own_views(text_run, tmp_path):
    pytest.importorskip("matplotlib")
    main(["diagnose", str(text_run), "--diagnosis.images", "40", "--diagnosis.draws", "0", "-q"])
    (found,) = panels("alignment-uniformity", [text_run])
    signals = json.loads((text_run / records.DIAGNOSIS).read_text())["signals"]["h"]
    expected = (signals["uniformity"]["value"], signals["views"]["alignment"]["value"])
    assert found.places[0] == pytest.approx(expected)
    assert "as each run was trained" in found.title
    file = tmp_path / "plane.svg"
    assert main(["figure", str(text_run), "alignment-uniformity", "--out", str(file)]) == 0
    assert "uniformity (log; lower is more even)" in file.read_text()


def test_scores_of_pairs_stand_on_the_page(text_run, tmp_path):
    run = scored(
        tmp_path / "scored", text_run, [entry("TF-IDF", None, None), entry("<i>mine</i>", 0.2, -2.0)]
    )
    page = render([run])
    assert "Scored pairs: Spearman x 100" in page
    assert "50 [40, 60]" in page
    assert "<i>mine</i>" not in page
