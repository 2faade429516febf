import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from advise_cases import colour_folder, small

from contrascope import records
from contrascope.advice import proxies as advise_proxies
from contrascope.advice.advise import advise
from contrascope.advice.policies import Candidate
from contrascope.advice.settings import AdviseSettings, seconds_of
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.policy_file import read_policy
from contrascope.cli import main
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.runs.store import Store
from contrascope.terminal.advice import show_advice
from contrascope.training.interrupt import Interrupted

DIGITS = DataSettings(source="digits")


def words(advice):
    return {verdict.name: verdict.word for verdict in advice.verdicts}


def strengths(advice):
    return {verdict.name: verdict.strength for verdict in advice.verdicts}


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("colours") / "pictures")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits") / "policy.json"
    return advise(DIGITS, labels="digit", budget=0.0, out=out, settings=small())


def test_gray_digits_get_no_colour_operation_and_a_warning_against_the_flip(digits):
    assert digits.survey.coloured.value == 0
    assert words(digits)["hue and saturation"] == words(digits)["colour dropping"] == "no-op"
    assert words(digits)["flip"] == "destructive"
    assert digits.survey.handed.low > 0.8
    names = {type(op).__name__ for op in read_policy(Path(digits.policy)).ops}
    assert "HorizontalFlip" not in names
    assert "Grayscale" not in names
    assert names & {"RandomResizedCrop", "Affine"}


def test_digits_are_warned_of_the_flip_without_labels_too(tmp_path):
    advice = advise(DIGITS, budget=0.0, out=tmp_path / "p.json", settings=small())
    assert words(advice)["flip"] == "destructive"
    assert advice.survey.known is None
    assert advice.curves.grid.classes_from.startswith("pseudo-classes")
    assert all(row.stage == 0 for row in advice.ranking)


@pytest.mark.parametrize("labels", ["label", None])
def test_where_colour_is_the_class_colour_operations_are_destructive(colours, tmp_path, labels):
    data = DataSettings(source=str(colours))
    advice = advise(data, labels=labels, budget=0.0, out=tmp_path / "p.json", settings=small())
    assert words(advice)["hue and saturation"] == words(advice)["colour dropping"] == "destructive"
    assert words(advice)["flip"] == words(advice)["crop"] == "useful"
    ops = read_policy(tmp_path / "p.json").ops
    assert not any(isinstance(op, Grayscale) for op in ops)
    assert max((op.hue for op in ops if isinstance(op, ColorJitter)), default=0) <= 0.05
    text = show_advice(advice, as_json=False)
    assert "6 groups of hue" in text if labels is None else "the 6 classes" in text
    assert "colour distortion and dropping erase it" in text


def test_the_record_and_the_gallery_hold_everything_that_is_shown(digits):
    folder = Path(digits.policy).with_name("policy.advice")
    record = records.read_json(folder / "advice.json")
    assert [row["name"] for row in record["ranking"]] == [row.name for row in digits.ranking]
    gallery = records.read_json(folder / "gallery.json")
    best = [row.name for row in digits.ranking[:3]]
    assert [policy["name"] for policy in gallery["policies"]] == best
    tiles = sum(sheet["count"] for sheet in gallery["sheets"])
    assert (
        max(number for policy in gallery["policies"] for row in policy["rows"] for number in row) == tiles - 1
    )
    curves = record["curves"]["candidates"]
    assert all(len(curve["raw"]) == len(record["curves"]["grid"]["raw"]) for curve in curves)
    assert all(list(curve["raw"]) == sorted(curve["raw"]) for curve in curves)


def test_a_second_call_reads_what_is_kept_and_another_request_is_refused(digits, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr("contrascope.advice.measure.measure_operation", refuse)
    out = Path(digits.policy)
    again = advise(DIGITS, labels="digit", budget=0.0, out=out, settings=small())
    assert again == digits
    with pytest.raises(InputError, match=r"(?s)work of another request.*labels: digit -> None"):
        advise(DIGITS, budget=0.0, out=out, settings=small())


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 7 ", 7)]
)
def test_budgets_are_read_as_people_write_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-3", "ten", "5 days", "1e400"])
def test_other_budgets_are_refused(text):
    with pytest.raises(InputError, match="expected a time such as 90s, 10m or 1h"):
        seconds_of(text)


def test_wrong_requests_are_refused_with_what_to_do(tmp_path, colours):
    out = tmp_path / "p.json"
    with pytest.raises(InputError, match=r"no method 'simcrl'.*Did you mean 'simclr'"):
        advise(DIGITS, base="simcrl", budget=0.0, out=out, settings=small(images=32, draws=2))
    with pytest.raises(InputError, match="'digit'"):
        advise(DIGITS, labels="digits", budget=0.0, out=out, settings=small())
    few = DataSettings(source="shapes", count=8)
    with pytest.raises(InputError, match="has 8 images; advice needs at least 16"):
        advise(few, budget=0.0, out=out, settings=small())


def test_constant_images_have_nothing_to_advise_on(tmp_path):
    path = tmp_path / "flat.npy"
    np.save(path, np.full((40, 8, 8, 3), 120, dtype=np.uint8))
    with pytest.raises(InputError, match="no operation is left"):
        advise(DataSettings(source=str(path)), budget=0.0, out=tmp_path / "p.json", settings=small())


def planned(monkeypatch, *rounds):
    """These rounds of training, whatever the machine."""
    timing = advise_proxies.Timing(epoch=1.0, score=0.0)
    monkeypatch.setattr(advise_proxies.Proxies, "timing", lambda self, candidate: timing)
    plan = advise_proxies.Plan(rounds=rounds)
    monkeypatch.setattr("contrascope.advice.advise.halving_plan", lambda *_, **__: plan)


def test_a_budget_trains_in_rounds_and_a_second_call_trains_nothing(tmp_path, monkeypatch, capsys):
    planned(monkeypatch, (4, 1), (2, 2))
    request = {"labels": "digit", "budget": 12.0, "out": tmp_path / "p.json", "settings": small(images=64)}
    advice = advise(DIGITS, **request)
    assert len(advice.proxies) == 4
    assert [row.stage for row in advice.ranking] == [2, 2, 1, 1]
    assert all(score.knn is not None and 0 < score.retrieval.value <= 1 for score in advice.proxies.values())
    assert "round 2/2, policy 2/2" in capsys.readouterr().err
    monkeypatch.setattr(advise_proxies.Proxies, "_fit", lambda *_: pytest.fail("trained again"))
    assert advise(DIGITS, **request) == advice


def test_an_interrupt_keeps_what_is_done_and_the_same_call_goes_on(tmp_path, monkeypatch):
    planned(monkeypatch, (2, 2))
    request = {"budget": 12.0, "out": tmp_path / "p.json", "settings": small(images=64, candidates=2)}
    whole = advise(DIGITS, **{**request, "out": tmp_path / "whole.json"})
    fit = advise_proxies.fit
    stopped = stop_in_second(request, monkeypatch, fit)
    assert stopped.code == 143
    record = records.read_json(tmp_path / "p.advice" / "advice.json")
    assert record["complete"] is False
    assert len(record["proxies"]) == 1
    monkeypatch.setattr(advise_proxies, "fit", fit)
    after = advise(DIGITS, **request)
    assert after.complete
    assert [(row.name, row.score) for row in after.ranking] == [
        (row.name, row.score) for row in whole.ranking
    ]


def stop_in_second(request, monkeypatch, fit):
    """Asks the second training to stop after its first step, as Ctrl-C does."""
    calls = []

    def fit_or_stop(*args, **more):
        calls.append(1)
        if len(calls) < 2:
            return fit(*args, **more)
        return fit(*args, probes=(lambda *_: os.kill(os.getpid(), signal.SIGTERM),), **more)

    monkeypatch.setattr(advise_proxies, "fit", fit_or_stop)
    with pytest.raises(Interrupted) as stopped:
        advise(DIGITS, **request)
    return stopped.value


@pytest.fixture
def kept(digits, tmp_path):
    """The request of the finished advice without trainings, its folder copied."""
    shutil.copytree(Path(digits.policy).with_name("policy.advice"), tmp_path / "p.advice")
    return {"labels": "digit", "out": tmp_path / "p.json", "settings": small()}


def test_a_larger_budget_keeps_what_is_measured_and_a_smaller_one_gets_the_finished_advice(
    kept, tmp_path, monkeypatch, capsys
):
    planned(monkeypatch, (2, 1))
    monkeypatch.setattr("contrascope.advice.ranking.learnt", lambda *_, **__: True)  # one epoch is too short
    first = advise(DIGITS, budget=12.0, **kept)
    assert len(first.proxies) == 2
    capsys.readouterr()
    with monkeypatch.context() as patch:
        for name in ("take_sample", "look_at", "measure_curves"):
            patch.setattr(f"contrascope.advice.advise.{name}", lambda *_: pytest.fail("measured again"))
        assert [advise(DIGITS, budget=budget, **kept) for budget in (12.0, 0.0)] == [first, first]
        assert "this advice is finished" in capsys.readouterr().err
        (tmp_path / "p.json").unlink()
        assert advise(DIGITS, budget=5.0, **kept) == first
    assert read_policy(tmp_path / "p.json").ops
    planned(monkeypatch, (3, 1))
    fitted, fit = [], advise_proxies.Proxies._fit
    monkeypatch.setattr(advise_proxies.Proxies, "_fit", lambda *words: fitted.append(1) or fit(*words))
    larger = advise(DIGITS, budget=20.0, **kept)
    assert len(fitted) == 1
    assert {**larger.proxies, **first.proxies} == larger.proxies
    assert len(larger.proxies) == 3


def test_where_nothing_learns_no_policy_is_written_nor_handed_back(kept, tmp_path, monkeypatch):
    planned(monkeypatch, (2, 1))
    monkeypatch.setattr("contrascope.advice.ranking.learnt", lambda *_, **__: False)
    first = advise(DIGITS, budget=12.0, **kept)
    assert first.policy == ""
    assert first.random.epochs == 0
    assert advise(DIGITS, budget=12.0, **kept) == first
    assert not (tmp_path / "p.json").exists()
    assert "No policy that was tried learns" in show_advice(first, as_json=False)


def test_a_larger_budget_that_is_interrupted_leaves_the_finished_advice(kept, tmp_path, monkeypatch):
    finished = advise(DIGITS, budget=0.0, **kept)
    before = {
        path: path.read_bytes() for path in (tmp_path / "p.json", tmp_path / "p.advice" / "advice.json")
    }
    planned(monkeypatch, (2, 2))
    stop_in_second({"budget": 12.0, **kept}, monkeypatch, advise_proxies.fit)
    assert before == {path: path.read_bytes() for path in before}
    assert advise(DIGITS, budget=0.0, **kept) == finished


def test_a_policy_file_that_was_not_advised_is_not_overwritten(tmp_path):
    out = tmp_path / "mine.json"
    out.write_text("{}")
    with pytest.raises(InputError, match=r"mine\.json exists, and no mine\.advice beside it"):
        advise(DIGITS, budget=0.0, out=out, settings=small())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_advice_of_version_0_1_is_handed_back_and_another_request_is_refused(tmp_path):
    shutil.copytree(Path(__file__).parents[1] / "runs" / "format0" / "advice", tmp_path / "old.advice")
    record = records.read_json(tmp_path / "old.advice" / "advice.json")
    found = advise(DIGITS, budget=0.0, out=tmp_path / "old.json", settings=AdviseSettings())
    assert [row.name for row in found.ranking] == [row["name"] for row in record["ranking"]]
    assert records.read_json(tmp_path / "old.advice" / "advice.json") == record
    with pytest.raises(InputError, match=r"settings\.advice\.views: 8 -> 4"):
        advise(DIGITS, budget=0.0, out=tmp_path / "old.json", settings=AdviseSettings(views=4))


KILLED = """
import os, pathlib, signal, sys
from advise_cases import small
from contrascope.advice import measure
from contrascope.advice.advise import advise
from contrascope.data.settings import DataSettings
real, left = measure.Curves.measure, [int(sys.argv[2])]
def killed(*args, **more):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **more)
measure.Curves.measure = killed
advise(DataSettings(source="digits"), budget=0.0, out=pathlib.Path(sys.argv[1]), settings=small(images=64))
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", [1, 9])
def test_advice_killed_in_the_middle_ends_as_one_that_ran_through(tmp_path, place):
    out, whole = tmp_path / "p.json", tmp_path / "whole.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = f"{Path(__file__).parent}:{environment.get('PYTHONPATH', '')}"
    words = [sys.executable, "-c", KILLED, str(out), str(place)]
    assert subprocess.run(words, env=environment, capture_output=True).returncode == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "p.advice" / "curves").glob("*")}
    assert len(before) == place - 1
    cut, through = (advise(DIGITS, budget=0.0, out=path, settings=small(images=64)) for path in (out, whole))
    assert replace(cut, policy="") == replace(through, policy="")
    after = {name: (tmp_path / "p.advice" / "curves" / name).stat().st_mtime_ns for name in before}
    assert after == before
    assert out.read_bytes() == whole.read_bytes()


def test_a_part_that_a_stop_tore_is_measured_anew(kept, digits, tmp_path):
    (tmp_path / "p.advice" / "advice.json").unlink()
    (tmp_path / "p.advice" / "survey.json").write_text('{"kind"')
    again = advise(DIGITS, budget=0.0, **kept)
    assert replace(again, policy=digits.policy) == digits


def test_what_an_epoch_costs_is_found_out_with_a_few_steps(tmp_path, monkeypatch):
    seen, clock = [], itertools.count(0.0)
    images = open_images(DataSettings(source="digits", labels="none"))
    one = Candidate(name="flip", ops=(HorizontalFlip(),))
    proxies = advise_proxies.Proxies(images, one, Store(folder=tmp_path), base="simclr", settings=small())
    monkeypatch.setattr(advise_proxies.Proxies, "_measure", lambda *_: None)
    monkeypatch.setattr(advise_proxies.Proxies, "_fit", lambda *words: seen.append(len(words[-1])))
    monkeypatch.setattr(advise_proxies.time, "perf_counter", lambda: next(clock))
    timing = proxies.timing(one)
    batch = advise_proxies.base_settings("simclr", one, len(images), small()).training.batch_size
    assert seen == [4 * batch] * 2
    assert timing.epoch == pytest.approx(len(images) / (4 * batch))
    assert timing.score == 1


@pytest.mark.parametrize(("base", "network"), [("simclr", "convnet"), ("mae", "vit-tiny")])
def test_short_trainings_are_of_the_network_that_the_method_needs(base, network):
    one = Candidate(name="flip", ops=(HorizontalFlip(),))
    assert advise_proxies.base_settings(base, one, 500, small()).encoder.name == network


def test_a_budget_too_small_to_train_says_so_and_ranks_by_concentration(tmp_path, monkeypatch, capsys):
    slow = advise_proxies.Timing(epoch=1000.0, score=1.0)
    monkeypatch.setattr(advise_proxies.Proxies, "timing", lambda self, candidate: slow)
    advice = advise(DIGITS, budget=5.0, out=tmp_path / "p.json", settings=small(images=64))
    assert advice.plan.rounds == ()
    assert {row.stage for row in advice.ranking} == {0}
    told = capsys.readouterr().err
    assert re.search(r"affords no training: of 5 s \d are left, and an epoch takes 1000\.0 s", told)


def test_the_command_writes_a_policy_that_train_and_diagnose_take(tmp_path, capsys):
    policy, run = tmp_path / "p.json", tmp_path / "run"
    quick = ["--settings.images", "32", "--settings.draws", "2", "--settings.candidates", "1"]
    quick += ["--settings.per-class", "3", "--settings.classes", "3", "--settings.views", "2"]
    assert main(["advise", "digits", "--budget", "0", "--out", str(policy), *quick, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"] == str(policy)
    tiny = ["--encoder.width", "4", "--training.epochs", "1", "--training.batch-size", "256"]
    tiny += ["--data.labels", "none"]
    assert main(["train", "digits-simclr", "--policy", str(policy), *tiny, "--out", str(run)]) == 0
    kept = records.read_json(run / records.SETTINGS)["policy"]
    assert kept == records.read_json(policy)
    capsys.readouterr()
    small_diagnosis = ["--diagnosis.images", "64", "--diagnosis.draws", "10", "--json"]
    assert main(["diagnose", str(run), "--policy", str(policy), *small_diagnosis]) in (0, 3)
    assert "policy usual" in json.loads(capsys.readouterr().out)["data"]
    assert main(["train", str(run), "--resume"]) == 0
    assert main(["train", "digits-simclr", "--policy", str(tmp_path / "none.json")]) == 2
    assert "there is no policy file" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.data
def test_cifar_photographs_may_be_flipped_cropped_and_recoloured(real, tmp_path):
    data = DataSettings(source=real("cifar10-exact-5k"))
    settings = small(images=512, classes=10, candidates=6)
    advice = advise(data, labels="label", budget=0.0, out=tmp_path / "p.json", settings=settings)
    for name in ("crop", "flip", "hue and saturation", "colour dropping", "brightness and contrast"):
        assert words(advice)[name] in ("useful", "saturated"), advice.verdicts
    assert advice.survey.handed.value == pytest.approx(0.5, abs=0.1)
    assert advice.survey.hue_groups == 0


@pytest.mark.slow
@pytest.mark.data
def test_tiny_imagenet_without_labels_may_be_flipped_cropped_and_recoloured(real, tmp_path):
    data = DataSettings(source=real("tiny-imagenet-200"), split="validation")
    advice = advise(data, budget=0.0, out=tmp_path / "p.json", settings=small(images=512))
    for name in ("crop", "flip", "hue and saturation", "colour dropping"):
        assert words(advice)[name] in ("useful", "saturated"), advice.verdicts
    assert advice.survey.coloured.value > 0.9
    assert advice.survey.side == 32
    assert advice.survey.hue_groups == 0


@pytest.mark.slow
def test_a_real_budget_on_the_colours_finds_an_encoder_that_knows_them(colours, tmp_path):
    data = DataSettings(source=str(colours))
    settings = small(width=8, pool=144, scored=144)
    advice = advise(data, labels="label", budget=60.0, out=tmp_path / "p.json", settings=settings)
    best = advice.ranking[0]
    assert best.score.value > 0.8
    assert advice.proxies[best.name].knn == best.score
