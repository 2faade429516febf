"""A run's folder may come from a stranger: no link in it is followed, whatever reads or writes there."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contrascope import records
from contrascope.advice.advise import advise
from contrascope.advice.settings import AdviseSettings
from contrascope.cli import main
from contrascope.data.imageset import InMemoryImages
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.augmented import Fit
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.gallery.gallery import write_gallery
from contrascope.jobs.train import train
from contrascope.records.inside import files_in, whole_folder
from contrascope.records.suites import AugmentedRecord
from contrascope.reports.load import load
from contrascope.runs.feature_store import FeatureStore
from contrascope.runs.load import load_run, settings_of
from contrascope.runs.store import OpenRecord, Request, begin
from contrascope.settings import to_json
from contrascope.suites.parts import Parts, forget_parts
from contrascope.training.checkpoint import prune_checkpoints
from contrascope.training.track import Trackers

SAID = "is a link, and links inside a run's folder are not followed"


@pytest.fixture
def run(suite_run, tmp_path):
    return Path(shutil.copytree(suite_run, tmp_path / "run"))


@pytest.fixture
def outside(tmp_path):
    """What a link may lead to, and a way to ask whether it is as it was."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    return folder


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path, _ in files_in(folder)}


def linked(path, outside):
    """The file or folder is moved outside, and a link to it stands in its place."""
    target = outside / path.name
    shutil.move(path, target) if path.exists() else target.mkdir()
    path.symlink_to(target)
    return content(outside)


def step_of(run):
    return records.checkpoint_folders(run)[-1][1]


INTERNALS = (
    *("settings.json", "environment.json", "metrics.jsonl", "run.lock", "checkpoints", "evaluation.json"),
    *("checkpoints/step-00000004", "checkpoints/step-00000004/state.json"),
    *("checkpoints/step-00000004/method.safetensors", "checkpoints/step-00000004/optimizer.safetensors"),
)


@pytest.mark.parametrize("name", INTERNALS)
def test_a_run_with_a_link_inside_does_not_go_on_and_nothing_outside_changes(run, outside, name):
    assert (run / name).exists()
    before = linked(run / name, outside)
    more = settings_of(run) if name != "settings.json" else None
    if more is None:
        with pytest.raises(InputError, match=SAID):
            settings_of(run)
        return
    more = replace(more, training=replace(more.training, epochs=2))
    more = replace(more, schedule=replace(more.schedule, continuation="restart"))
    here = content(run)
    with pytest.raises(InputError, match=SAID):
        train(more, run, resume=True)
    assert content(outside) == before
    assert content(run) == here


@pytest.mark.parametrize("name", [name for name in INTERNALS if "checkpoints" in name or "settings" in name])
def test_a_run_with_a_linked_part_is_not_loaded(run, outside, name):
    linked(run / name, outside)
    with pytest.raises(InputError, match=SAID):
        load_run(run)


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluation.json", "environment.json", "settings.json"])
def test_a_page_leaves_a_linked_record_out_and_says_so(run, outside, name):
    linked(run / name, outside)
    assert any(SAID in notice and name in notice for notice in load(run).notices)


def test_a_new_run_refuses_links_that_wait_for_it(suite_run, tmp_path, outside):
    settings = settings_of(suite_run)
    for name in ("run.lock", "metrics.jsonl", "trackers", "segments.json", "best_label_free.json"):
        out = tmp_path / name.replace(".", "-")
        out.mkdir()
        (out / name).symlink_to(outside / "thesis.tex")
        with pytest.raises(InputError, match=SAID):
            train(settings, out)
        assert [path.name for path in out.iterdir()] == [name]
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_a_run_whose_own_folder_is_a_link_is_opened_and_goes_on(run, tmp_path):
    (tmp_path / "short").symlink_to(run)
    assert load_run(tmp_path / "short").step == 4
    assert train(settings_of(run), tmp_path / "short", resume=True)


def test_old_checkpoints_are_not_deleted_through_a_link(run, outside):
    before = linked(run / "checkpoints", outside)
    with pytest.raises(InputError, match=SAID):
        prune_checkpoints(run, keep_last=0, keep_every=0)
    with pytest.raises(InputError, match=SAID):
        records.remove_checkpoint(run / "checkpoints" / "step-00000004")
    assert content(outside) == before


def written(run):
    with records.new_checkpoint(run, 9) as folder:
        (folder / "x").write_text("x")
    prune_checkpoints(run, keep_last=1, keep_every=0)


@pytest.mark.parametrize("name", [".part-00000009", ".part-old-step-00000004"])
def test_scraps_of_checkpoints_that_are_links_are_removed_and_not_followed(run, outside, name):
    (run / "checkpoints" / name).symlink_to(outside)
    written(run)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000009"]
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_a_checkpoint_is_not_written_through_a_link(run, outside):
    (run / "checkpoints" / "step-00000009").symlink_to(outside)
    with pytest.raises(InputError, match=SAID):
        written(run)
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_a_lock_is_never_emptied_whatever_it_is(run, outside):
    thesis, lock = outside / "thesis.tex", run / "run.lock"
    lock.unlink()
    os.link(thesis, lock)
    with pytest.raises(InputError, match="holds something and is no lock of ours"), records.hold(run):
        pass
    lock.unlink()
    lock.symlink_to(outside / "new.txt")
    with pytest.raises(InputError, match=SAID), records.hold(run):
        pass
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(InputError, match="no regular file"), records.hold(run):
        pass
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_the_scrap_of_a_write_is_not_followed(run, outside):
    scrap = run / f".evaluation.json.{os.getpid()}.part"
    scrap.symlink_to(outside / "thesis.tex")
    records.write_json(run / "evaluation.json", {"a": 1})
    assert not scrap.is_symlink()
    (run / f".new.{os.getpid()}.part").symlink_to(outside)
    with whole_folder(run / "new") as partial:
        (partial / "thesis.tex").write_text("other")
    assert content(outside) == {Path("thesis.tex"): b"years of work"}
    assert records.read_json(run / "evaluation.json") == {"a": 1}


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_record_that_is_no_regular_file_is_refused_at_once(run, kind):
    path = run / "evaluation.json"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"no regular file|is a link"):
        records.read_json(path)


def test_the_gallery_and_exports_are_not_written_through_links(run, outside, capsys):
    (run / "gallery.json").symlink_to(outside / "thesis.tex")
    with pytest.raises(InputError, match=SAID):
        write_gallery(run)
    (run / "exports").symlink_to(outside)
    assert main(["export", str(run), "--to", "csv"]) == 2
    assert SAID in capsys.readouterr().err
    (run / "report.html").symlink_to(outside / "thesis.tex")
    assert main(["report", str(run), "--no-gallery", "--no-diagnosis"]) == 2
    assert SAID in capsys.readouterr().err
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_kept_features_are_not_read_or_written_through_a_link(tmp_path, outside):
    (tmp_path / "features").symlink_to(outside)
    images = InMemoryImages(images=torch.zeros(4, 1, 8, 8, dtype=torch.uint8), labels={})
    with pytest.raises(InputError, match=SAID):
        FeatureStore(folder=tmp_path / "features").embed(torch.nn.Flatten(), images)
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_parts_of_work_are_not_kept_through_a_link(tmp_path, outside):
    work = tmp_path / "work"
    with begin(work, Request(work="count", settings={}, of={})) as store:
        (work / "parts").symlink_to(outside)
        with pytest.raises(InputError, match=SAID):
            store.kept(DataSettings, "parts/1", DataSettings)
    (work / "request.json").unlink()
    (work / "request.json").symlink_to(outside / "thesis.tex")
    with pytest.raises(InputError, match=SAID), begin(work, Request(work="count", settings={}, of={})):
        pass
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def parts(tmp_path, protocol):
    record = records.empty(AugmentedRecord)
    record = replace(record, protocol=protocol, encoder="e", rows=[], robustness=[])
    path = tmp_path / "evaluation-augmented.json"
    return Parts(of="trained encoder", record=OpenRecord(path=path, content=record))


def fit():
    return Fit(
        name="a",
        weight=torch.ones(2),
        bias=torch.ones(2),
        h=torch.ones(2),
        y=torch.ones(2),
        norm=1.0,
        chosen=1.0,
    )


@pytest.mark.parametrize("place", ["evaluation-augmented.parts", "evaluation-augmented.parts/p-e"])
def test_probes_of_a_suite_are_not_kept_or_removed_through_a_link(tmp_path, outside, place):
    (outside / "trained-encoder").mkdir()
    (outside / "trained-encoder" / "mine.txt").write_text("mine")
    before = content(outside)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(outside)
    together = {"l_ar": 1.0, "l_ar_unit": 1.0}
    for act in (lambda: parts(tmp_path, "p").fit("a", fit), lambda: parts(tmp_path, "p").finish(together)):
        with pytest.raises(InputError, match=SAID):
            act()
    if place.endswith("parts"):
        with pytest.raises(InputError, match=SAID):
            forget_parts(tmp_path / "evaluation-augmented.json")
    assert content(outside) == before


@pytest.mark.parametrize("protocol", ["../../outside/x", "../..", "a/../../.."])
def test_a_record_cannot_lead_its_parts_out_of_the_folder(tmp_path, outside, protocol):
    with pytest.raises(InputError, match="leads out of"):
        parts(tmp_path / "run", protocol).fit("a", fit)


def test_an_advice_folder_with_links_inside_is_refused(tmp_path, outside):
    drawn = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 3, 16, 16), generator=drawn, dtype=torch.uint8)
    images = InMemoryImages(images=pixels, labels={})
    folder = tmp_path / "policy.advice"
    request = Request(
        work="advice",
        settings={"labels": None, "base": "simclr", "advice": to_json(AdviseSettings())},
        of={"data": images.fingerprint},
    )
    for name in ("run.lock", "advice.json", "gallery.json", "request.json"):
        with begin(folder, request):
            pass
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside / "thesis.tex")
        with pytest.raises(InputError, match=rf"{name} {SAID}"):
            advise(images, budget=0.0, out=tmp_path / "policy.json", settings=AdviseSettings())
        (folder / name).unlink()
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_trackers_do_not_write_through_a_link(run, outside):
    for place in ("trackers", "trackers/state.json", "trackers/tensorboard"):
        shutil.rmtree(run / "trackers", ignore_errors=True)
        (run / place).parent.mkdir(exist_ok=True)
        (run / place).symlink_to(outside)
        with pytest.raises(InputError, match=SAID):
            Trackers(["tensorboard"], run, config={}, after_step=0)
        (run / place).unlink()
    assert content(outside) == {Path("thesis.tex"): b"years of work"}


def test_features_that_a_user_named_may_be_links(tmp_path):
    features = Features(h=torch.ones(1, 2, 3), z=None, y={}, ids=torch.arange(2))
    (tmp_path / "short.npz").symlink_to(save_features(features, tmp_path / "long.npz"))
    assert load_features(tmp_path / "short.npz").h.shape == (1, 2, 3)
