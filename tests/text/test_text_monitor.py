"""The verdict of a run on sentences while it trains."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from contrascope import records
from contrascope.diagnosis.score import NOT_CHOSEN, score_of_row
from contrascope.diagnosis.sentences.learning import sound_at_rest, text_learning
from contrascope.diagnosis.sentences.shown import ShownSentences, view_rows
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.diagnosis.verdict import Answer
from contrascope.encoders.settings import ProjectorSettings
from contrascope.jobs.text_monitor import TextMonitorProbe, probe_sentences
from contrascope.jobs.train import train
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.runs.text_load import build_text, load_text_run, random_twin_of_text
from contrascope.runs.text_recipes import TEXT_RECIPES
from contrascope.runs.text_settings import read_any_settings
from contrascope.settings import to_json
from contrascope.text.policy import build_text_policies
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import Sentences, open_sentences
from contrascope.theory.factors.alignment import unit_views
from contrascope.training.interrupt import StoppedError

HEAD = ProjectorSettings(hidden=(), out=8, activation="tanh", activation_out=True)


def settings_for(corpus, vocabulary_folder, *, monitor=None, method=None, dropout=0.1, **training):
    made = TEXT_RECIPES["text-simcse-cpu"].make()
    network = replace(made.encoder, vocabulary=str(vocabulary_folder), width=8, depth=1, heads=2)
    return replace(
        made,
        data=replace(made.data, source=str(corpus / "train.txt"), bucket=2),
        encoder=replace(network, dropout=dropout, attention_dropout=dropout),
        method=method or SimCSESettings(projector=HEAD),
        training=replace(made.training, batch_size=8, threads=1, log_every=1, checkpoint_every=4, **training),
        monitor=monitor or MonitorSettings(times=3, images=32),
    )


def probes(run):
    return [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == "probe"]


@pytest.fixture(scope="module")
def finished(corpus, vocabulary_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("monitored") / "run"
    settings = settings_for(corpus, vocabulary_folder)
    train(settings, out)
    return settings, out


def test_one_epoch_is_looked_at_three_times(finished):
    _, out = finished
    rows = probes(out)
    assert [(row["step"], row["epoch"]) for row in rows] == [(2, 0.3333), (4, 0.6667), (6, 1)]
    for row in rows:
        assert {
            "sound",
            "learning",
            "evidence",
            "h_rank",
            "z_alignment",
            "h_uniformity",
            "seconds",
        } <= row.keys()
        assert {"h_gain_halves", "h_gain_words"} <= row.keys()
        assert "h_gain_own" not in row
        chosen = row["learning"] not in NOT_CHOSEN and row["sound"] == "sound"
        assert row.get("score") == (row["h_gain_halves"] if chosen else None) == score_of_row(row)


def test_the_last_row_is_that_of_the_finished_network_on_fixed_views(finished):
    settings, out = finished
    run = load_text_run(out)
    sentences = open_sentences(settings.data, run.tokenizer)
    shown = probe_sentences(
        sentences,
        build_text_policies(settings.views),
        settings=settings.monitor,
        max_length=settings.data.max_length,
        seed=settings.training.seed,
        same_mask=False,
    )
    assert shown is not None
    h, z = view_rows(run.encoder, run.method.projector, shown, dropping=True)
    assert h.shape == (2, 32, 8)
    assert not run.encoder.training
    last = probes(out)[-1]
    for name, rows in (("h", h), ("z", z)):
        one, other = unit_views(rows).double()
        expected = (one - other).square().sum(1).mean().item()
        assert last[f"{name}_alignment"] == pytest.approx(expected, rel=1e-4)
    again, _ = view_rows(run.encoder, None, shown, dropping=True)
    assert torch.equal(again, h)
    still, _ = view_rows(run.encoder, None, shown, dropping=False)
    assert torch.equal(still[0], still[1])


def test_weights_do_not_know_of_the_monitor_and_a_resumed_run_has_its_rows(
    finished, corpus, vocabulary_folder, tmp_path
):
    _, out = finished
    blind = settings_for(corpus, vocabulary_folder, monitor=MonitorSettings(times=0))
    train(blind, tmp_path / "blind")
    assert probes(tmp_path / "blind") == []
    mine, other = (load_text_run(path).method.state_dict() for path in (out, tmp_path / "blind"))
    assert all(torch.equal(value, other[name]) for name, value in mine.items())
    settings = settings_for(corpus, vocabulary_folder, epochs=2)
    train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", until=1)
    train(settings, tmp_path / "parts", resume=True)
    whole, parts = probes(tmp_path / "whole"), probes(tmp_path / "parts")
    assert [row["step"] for row in whole] == [4, 8, 12]
    for row in (*whole, *parts):
        del row["seconds"]
    assert whole == parts


def test_views_that_are_one_raise_an_alarm_once_half_of_the_run_is_over(corpus, vocabulary_folder, tmp_path):
    settings = settings_for(corpus, vocabulary_folder, dropout=0.0)
    # of thirty words the rarest would be all of a sentence
    train(replace(settings, encoder=replace(settings.encoder, pool="mean")), tmp_path / "off")
    assert {row["h_alignment"] for row in probes(tmp_path / "off")} == {0.0}
    run = load_text_run(tmp_path / "off")
    probe = probe_of(run, settings=MonitorSettings(times=2))
    assert [step for step in range(1, 7) if probe.due(step, 6)] == [3, 6]
    assert probe.look(run.method, late=False).alarm == ""
    found = probe.look(run.method, late=True)
    assert (found.row["sound"], found.row["learning"]) == ("sound", "not learning")
    assert found.alarm == "not learning: its two views are one"
    assert found.score is None


def probe_of(run, *, settings, columns=None):
    texts = [
        f"the cat sat on the {word} and it was {size}" for word in ("mat", "tree", "sky") for size in SIZES
    ]
    rows = run.tokenizer.encode(texts) if columns is None else columns
    shown = ShownSentences(columns=(rows,), policies=((), ()))
    return TextMonitorProbe(
        shown, random_twin_of_text(run), method=run.settings.method, max_length=64, settings=settings
    )


SIZES = ("big", "small", "red", "green", "old", "young")


def test_a_collapse_is_named_and_stops_the_run(finished, monkeypatch, corpus, vocabulary_folder, tmp_path):
    _, out = finished
    run = load_text_run(out)
    probe = probe_of(run, settings=MonitorSettings(stop=True))
    with torch.no_grad():
        run.encoder.trunk.norm_out.weight.zero_()
        run.encoder.trunk.norm_out.bias.fill_(1.0)
    found = probe.look(run.method, late=True)
    assert found.row["sound"] != "sound"
    assert (found.stop, found.score) == (True, None)
    assert found.alarm
    with torch.no_grad():
        run.encoder.trunk.norm_out.bias.fill_(float("nan"))
    found = probe.look(run.method, late=False)
    assert found.stop
    assert "h_rank" not in found.row

    def spoilt(*given, **named):
        method = build_text(*given, **named)
        norm = method.encoder.trunk.norm_out.requires_grad_(False)
        norm.weight.zero_()
        norm.bias.fill_(1.0)
        return method

    monkeypatch.setattr("contrascope.runs.text_start.build_text", spoilt)
    stopping = settings_for(corpus, vocabulary_folder, monitor=MonitorSettings(times=3, images=32, stop=True))
    with pytest.raises(StoppedError):
        train(stopping, tmp_path / "spoilt")


def test_a_collapse_is_seen_though_dropout_still_spreads_the_rows(finished):
    _, out = finished
    run = load_text_run(out)
    with torch.no_grad():  # every token is one vector: nothing but dropout differs
        run.encoder.trunk.tokens.weight.copy_(run.encoder.trunk.tokens.weight[:1].clone())
        run.encoder.trunk.places.weight.copy_(run.encoder.trunk.places.weight[:1].clone())
    signals, learnt = probe_of(run, settings=MonitorSettings()).measure(run.method)
    assert signals.h.spread > 1e-2
    assert learnt.spread < 1e-6
    assert sound_at_rest(Answer(word="sound"), learnt).reason == "complete collapse"
    assert probe_of(run, settings=MonitorSettings()).look(run.method, late=True).row["sound"] == "unsound"


def test_what_is_collapsed_at_rest_by_hand():
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 200, 8, generator=source)
    sound = Answer(word="sound", evidence=("all is well",))
    for offset, word in ((0.0, "sound"), (10.0, "sound"), (100.0, "unsound")):
        found = text_learning(rows + offset, rows, None, equal=None, draws=0)
        unit = F.normalize((rows + offset).flatten(0, 1).double(), dim=1)
        assert found.spread == pytest.approx(1 - float(unit.mean(dim=0).square().sum()), abs=1e-9)
        assert sound_at_rest(sound, found).word == word
    assert sound_at_rest(sound, None) is sound
    low = replace(found, twin_spread=found.spread)  # random weights have no more
    assert sound_at_rest(sound, low) is sound


def test_hidden_words_alone_have_no_pair_of_views(corpus, vocabulary_folder, tmp_path):
    settings = settings_for(corpus, vocabulary_folder, method=MLMSettings(), dropout=0.0)
    train(settings, tmp_path / "mlm")
    rows = probes(tmp_path / "mlm")
    assert len(rows) == 3
    assert all(row.get("reason") != "its two views are one" for row in rows)
    assert all("z_rank" not in row and "h_rank" in row for row in rows)


def test_too_few_sentences_are_not_looked_at_and_old_runs_have_the_default(vocabulary_folder, tokenizer):
    rows = Ragged.of(torch.full((90,), 9, dtype=torch.int32), torch.full((15,), 6))
    held = Sentences(name="few", columns=(rows,), pad=0)
    told = {"settings": MonitorSettings(), "max_length": 64, "seed": 0, "same_mask": False}
    assert probe_sentences(held, ((),), **told) is None
    tree = to_json(TEXT_RECIPES["text-simcse-cpu"].make())
    del tree["monitor"]
    assert read_any_settings(tree).monitor.images == 256
