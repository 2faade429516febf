"""One run through every producer into every page: what is written is read whole, and what is read is shown."""

import json
import re
from dataclasses import fields, replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from contrascope import records
from contrascope.advice.advise import advise
from contrascope.advice.settings import AdviseSettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import (
    DiagnosisSettings,
    GeometryProbeSettings,
    GeometrySettings,
    MonitorSettings,
)
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.gallery.gallery import write_gallery
from contrascope.gallery.part import GallerySettings
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.advice import AdviceRecord
from contrascope.records.diagnosis import DiagnosisRecord, FactorsEntry
from contrascope.records.entry import Entry
from contrascope.records.gallery import GalleryRecord, PolicyGalleryRecord
from contrascope.records.geometry import FeaturesEntry, GeometryRecord, NegativesEntry
from contrascope.records.kinds import BestRecord, EnvironmentRecord, EvaluationRecord
from contrascope.records.lookup import numbers, value_at
from contrascope.records.row_words import ROWS, row_word
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.records.typed import read_record
from contrascope.records.vocabulary import DETAILS, FACTORS, GEOMETRY, SIGNALS, SLOPES
from contrascope.reports import page as pages
from contrascope.reports.card import ExportedEncoder, model_card
from contrascope.reports.load import load, number
from contrascope.reports.notebook import run_html
from contrascope.reports.page import render
from contrascope.reports.sections import SECTIONS
from contrascope.runs.settings import RunSettings
from contrascope.subjects.diagnose import diagnose_anything, write_diagnosis
from contrascope.subjects.geometry import measure_anything, write_geometry
from contrascope.suites.run import evaluate_suite
from contrascope.terminal.advice import show_advice
from contrascope.terminal.diagnosis import show_diagnosis
from contrascope.terminal.geometry import show_geometry
from contrascope.terminal.suites import show_suite
from contrascope.terminal.tables import show_table
from contrascope.training.best import Best
from contrascope.training.settings import TrainingSettings

OF_RUN = (
    EnvironmentRecord,
    EvaluationRecord,
    BestRecord,
    DiagnosisRecord,
    GeometryRecord,
    GalleryRecord,
    AugmentedRecord,
    TransferRecord,
)
NAMED_BY_PATH = (FactorsEntry, FeaturesEntry, NegativesEntry)
"""Parts whose numbers are named by the vocabulary and not by fields."""
QUICK = Protocol(k=5, probe_grid=(0.1,), bootstrap=5, draws=3)


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run with every record, that of an advice, and what the terminal said of each."""
    folder = tmp_path_factory.mktemp("made")
    run, small = folder / "run", folder / "set.npz"
    data = DataSettings(source="digits")
    settings = RunSettings(
        data=data,
        encoder=EncoderSettings(name="convnet", width=2),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=4)),
        training=TrainingSettings(epochs=1, batch_size=256, probe_every=1, log_every=2),
        protocol=QUICK,
        monitor=MonitorSettings(times=1, images=64),
        geometry=GeometryProbeSettings(times=1, images=64, operations=("crop",)),
    )
    rows = train(replace(settings, policy=replace(settings.policy, name="digits")), run)
    best = Best(run)
    if best.step is None:  # so short a run is not learning
        best.see(1, 0.1)
        best.save()
    looked = DiagnosisSettings(images=64, views=2, draws=4)
    diagnosed = diagnose_anything(str(run), None, settings=looked)
    write_diagnosis(diagnosed, looked, run)
    geometry = GeometrySettings(images=40, draws=4, points=2, paths=2)
    measured = measure_anything(str(run), None, settings=geometry, say=lambda text: None)
    write_geometry(measured, geometry, run)
    write_gallery(run, GallerySettings(points=24, rows=1, views=2, measured_views=2, near=2))
    augmented = AugmentedSettings(corruptions=("noise",), severities=(1,), train_images=60)
    robust = evaluate_suite("augmented", str(run), DataSettings(), augmented=augmented)
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    pixels = rng.integers(0, 90, (40, 8, 8, 1)) + 80 * y[:, None, None, None]
    held = {
        f"{part}_{name}": one
        for part in ("train", "test")
        for name, one in (("images", pixels), ("labels", y))
    }
    np.savez(small, **{key: one.astype(np.uint8) for key, one in held.items()})
    quick = TransferProtocol(penalties=2, powers=(-1.0, 1.0), bootstrap=5, shots=(1,), draws=2)
    lost = str(folder / "lost.npz")
    moved = evaluate_suite("transfer", str(run), DataSettings(), sets=(str(small), lost), transfer=quick)
    few = AdviseSettings(images=32, per_class=3, classes=3, views=2, draws=2, candidates=2, pool=200)
    advice = advise(data, budget=0.0, out=folder / "policy.json", settings=few)
    said = (
        show_table(rows),
        show_diagnosis(diagnosed, None),
        show_geometry(measured, None),
        show_suite(robust, as_json=False),
        show_suite(moved, as_json=False),
        show_advice(advice, as_json=False),
    )
    return run, folder / "policy.advice", said


def parts(value):
    """Every part of a record, however deep."""
    if isinstance(value, Entry):
        yield value
        for one in fields(value):
            yield from parts(getattr(value, one.name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from parts(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from parts(one)


def read(made):
    run, advice, _ = made
    for kind in OF_RUN:
        yield read_record(kind, run / kind.FILE)
    for kind in (AdviceRecord, PolicyGalleryRecord):
        yield read_record(kind, advice / kind.FILE)


def test_every_record_of_every_producer_is_read_whole(made):
    for found in read(made):
        assert (found.format, found.missing, found.wrong) == (1, (), ()), found.path
        for part in parts(found.record):
            assert part.extra == {} or isinstance(part, NAMED_BY_PATH), (found.path, part)
    assert json.loads((made[0] / records.SETTINGS).read_text())["format"] == 1


def test_every_number_of_a_diagnosis_has_a_word_and_every_word_a_number(made):
    found = load(made[0]).diagnosis
    layers = [
        tree for name in ("h", "z", "reference_h", "reference_z") if (tree := getattr(found.signals, name))
    ]
    assert len(layers) == 4
    named = [
        (layers, SIGNALS),
        ([factor.extra for factor in found.factors.values()], FACTORS),
        (list(found.details.values()), DETAILS),
        ([found.lipschitz], SLOPES),
    ]
    for trees, words in named:
        assert {path for tree in trees for path in numbers(tree)} == {one.path for one in words}


def test_every_word_of_the_geometry_has_a_number_for_a_linear_projector_or_an_mlp(made):
    features = load(made[0]).geometry.trained.features
    linear = {"projector.matrix.relative", "projector.matrix.absolute", "projector.matrix.effective"}
    lost = {one.path for one in GEOMETRY if value_at(features, one.path) is None}
    assert lost == linear | {"negatives.unexplained"}


def test_every_number_of_the_metrics_has_a_word(made):
    found = load(made[0])
    rows = (*found.steps, *found.probes)
    keys = {key for row in rows for key, value in row.values.items() if number(value) is not None}
    assert {key for key in keys if row_word(key) is None} == set()
    shown = {row_word(key) for key in keys}
    linear = {"geometry_unexplained", "geometry_seen_", "geometry_raw_"}
    of_methods = {
        word.key for word in ROWS if word.key.startswith("method_")
    }  # simclr says nothing of itself
    of_text = {"h_gain_halves", "h_gain_words"}
    not_chosen = {"score"}  # this run is called not learning, and has none
    assert {word.key for word in ROWS if word not in shown} == linear | of_methods | of_text | not_chosen


def test_the_page_shows_every_section_of_the_run_without_a_notice(made):
    text = unescape(render([made[0]]))
    assert "Not everything was found" not in text
    assert 'class="notice"' not in text
    headings = [section.key for section in SECTIONS if f'id="{section.key}-title"' in text]
    assert headings == [section.key for section in SECTIONS if section.key != "advice"]
    for one in (*SIGNALS, *FACTORS, *DETAILS):
        assert one.named in text, one
    for words in (
        "Robustness: risk gap of each copy",
        "Transfer: linear probe",
        "lost.npz",
        "Numerical faults",
    ):
        assert words in text, words


def test_the_advice_has_its_page_and_stands_on_a_run_s_page_beside_it(made, tmp_path):
    run, advice, _ = made
    alone = unescape(render([advice]))
    assert "Not everything was found" not in alone
    assert "A word on each operation" in alone
    assert "Policies, best first" in alone
    assert "Views under " in alone
    both = tmp_path / "both"
    both.mkdir()
    for file in (*run.glob("*.json"), run / records.METRICS, advice / AdviceRecord.FILE):
        (both / file.name).write_bytes(file.read_bytes())
    assert "Policies, best first" in unescape(render([both]))


def test_comparison_notebook_and_card_show_the_run_without_a_notice(made):
    run, _, _ = made
    text = unescape(render([run, run]))
    assert 'class="notice"' not in text
    assert "One row a run" in text
    told = load(run).diagnosis.verdict
    assert all(one.word in run_html(run) for one in (told.sound, told.learning, told.useful))
    known = {"library": "timm", "code": "", "remark": "", "checked": "", "step": 5, "newest": True}
    shape = {"channels": 1, "size": 8, "resize": None, "mean": (0.5,), "std": (0.5,), "dim": 16}
    card = model_card(load(run), ExportedEncoder(**known, **shape, encoder="convnet", normalises=False))
    assert "Not measured" not in card
    assert "unknown" not in card.split("## Limits")[0]


def test_the_terminal_shows_every_word_that_has_a_number(made):
    first_column = re.sub(
        r"[\s┃┡]", "", "".join(line.split("│")[1] for line in made[2][1].split("\n") if "│" in line)
    )
    for one in (*SIGNALS, *FACTORS):
        assert one.brief.replace(" ", "") in first_column, one
    assert "Transfer: not available" in made[2][4]
    assert "best first" in made[2][5]


def test_every_figure_is_drawn_from_these_records(made, tmp_path):
    pytest.importorskip("matplotlib")
    from contrascope.reports.static import write_figure
    from contrascope.reports.static_panels import NAMES, panels

    assert all(panels(name, [made[0]]) for name in NAMES)
    assert write_figure([made[0]], NAMES[0], tmp_path / "figure.svg").stat().st_size > 1000


def test_a_run_and_an_advice_are_not_compared(made):
    from contrascope.errors import InputError

    with pytest.raises(InputError, match="is the folder of an advice, and a comparison is of runs"):
        render([made[0], Path(made[1])])
