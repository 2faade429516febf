"""What the shortcut looks like: which rows are chosen, from the very views that decided, down to the page."""

import base64
import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from contrascope import records
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.settings import PolicySettings
from contrascope.data.pictures.thumbnails import resized
from contrascope.diagnosis import networks
from contrascope.diagnosis.exhibits import Exhibits, FixedViews, Networks, ShownRows, exhibits, show
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.diagnosis.statistics import image_statistics
from contrascope.diagnosis.verdict import Answer
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.shortcut import COLOURS, STATISTICS
from contrascope.records.typed import read_record
from contrascope.reports import page as pages
from contrascope.reports.page import render
from contrascope.subjects.diagnose import diagnose_subject, write_diagnosis
from contrascope.subjects.open import open_subject
from contrascope.subjects.shortcut_pictures import near_alike, near_own_pixels, shortcut_pictures

COUNT, SIDE = 300, 16
CROP = PolicySettings(name="crop", ops=(RandomResizedCrop(scale=(0.4, 1.0)),))
SETTINGS = DiagnosisSettings(images=COUNT, views=2, draws=20)


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")


def patches():
    """Images of soft patches, each in four colours of its own."""
    source = torch.Generator().manual_seed(0)
    palette = torch.rand(COUNT, 4, 3, generator=source)
    fields = torch.rand(COUNT, 4, 4, 4, generator=source)
    which = nn.functional.interpolate(fields, (SIDE, SIDE), mode="bilinear").argmax(dim=1).flatten(1)
    pixels = palette.gather(1, which[..., None].expand(-1, -1, 3))
    return pixels.transpose(1, 2).reshape(COUNT, 3, SIDE, SIDE)


class Histogram(nn.Module):
    """How much there is of 32 colours, wherever it stands."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centres", torch.rand(32, 3, generator=torch.Generator().manual_seed(1)))

    def forward(self, x):
        far = torch.cdist(x.flatten(2).transpose(1, 2), self.centres.expand(len(x), -1, -1))
        return torch.softmax(-40 * far.square(), dim=2).mean(dim=1)


class Moments(nn.Module):
    """Mean, contrast and sharpness with their squares and products."""

    def forward(self, x):
        known = image_statistics(x)
        unit = (known - known.new_tensor([0.5] * 3 + [0.25] * 3 + [0.05])) / known.new_tensor(
            [0.15] * 3 + [0.06] * 3 + [0.02]
        )
        first, second = torch.triu_indices(7, 7)
        terms = 0.4 * torch.cat((unit, unit[:, first] * unit[:, second]), dim=1)
        return torch.cat((terms, terms.new_full((len(terms), 1), 3.0)), dim=1)


class Detail(nn.Module):
    """A random projection of fine detail: weights that have learnt nothing."""

    def __init__(self):
        super().__init__()
        source = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(3 * SIDE * SIDE, 24, generator=source))

    def forward(self, x):
        return (x - nn.functional.avg_pool2d(x, 3, 1, 1)).flatten(1) @ self.weight


def subject_of(encoder):
    subject = open_subject(encoder, data=patches(), policy=CROP)
    return replace(subject, draw_twin=lambda: Networks(encoder=Detail()))


def written(encoder, folder):
    found = diagnose_subject(subject_of(encoder), settings=SETTINGS)
    folder.mkdir()
    write_diagnosis(found, SETTINGS, folder)
    read = read_record(DiagnosisRecord, folder / records.DIAGNOSIS)
    assert (read.missing, read.wrong) == ((), ())
    return read.record


@pytest.fixture(scope="module")
def of_colours(tmp_path_factory):
    """The folder and the record of an encoder that knows colours and no form."""
    folder = tmp_path_factory.mktemp("made") / "colours"
    return folder, written(Histogram(), folder)


@pytest.fixture(scope="module")
def views():
    """The views that decide, made once more, and what the encoders make of them."""
    subject = subject_of(Histogram())
    return exhibits(subject.images, subject.policies, num_views=2, seed=SETTINGS.seed)


def by_hand(degrees, shuffled, images, chosen):
    """Two views of images as directions in the plane, and shuffled copies of the chosen ones."""

    def rows(angles):
        turned = torch.deg2rad(torch.tensor(angles, dtype=torch.float32))
        return torch.stack((turned.cos(), turned.sin()), dim=-1)

    held = Exhibits(own=FixedViews(images=images), standard={}, chosen=torch.tensor(chosen))
    return ShownRows(h=rows(degrees), z=None, standard={}, shuffled=rows(shuffled)), held


def test_rows_of_colours_are_those_of_the_largest_margin_and_a_tie_counts_for_the_pixels():
    first, second = [0.0, 0.0, 90.0, 0.0, 0.0], [99.0, 60.0, 100.0, 20.0, 80.0]
    # image 0 is not chosen; the others' shuffled copies lie 60, 5, 30 and 0 degrees from their views
    shown, held = by_hand([first, second], [60.0, 95.0, 30.0, 0.0], torch.rand(2, 5, 1, 4, 4), [1, 2, 3, 4])
    found = near_own_pixels(shown, held)
    assert found.images.tolist() == [4, 2, 1]
    assert found.decoys.tolist() == [3, 1, 0]
    assert found.decoy_cosine.tolist() == pytest.approx([1.0, 0.99619, 0.5], abs=1e-5)
    assert found.other_cosine.tolist() == pytest.approx([0.17365, 0.98481, 0.5], abs=1e-5)
    assert (found.nearer, found.of) == (3, 4)


def test_rows_of_statistics_are_those_whose_nearest_other_image_is_most_alike():
    light = torch.tensor([[0.1, 0.5, 0.9, 0.2], [0.1, 0.6, 0.85, 0.52]])
    images = light[:, :, None, None, None].expand(2, 4, 1, 3, 3).contiguous()
    # nearest other second views of 0, 1, 2, 3: 1 (0.1, 0.6), 3 (0.5, 0.52), 1 (0.9, 0.6), 0 (0.2, 0.1)
    shown, held = by_hand([[0.0, 100.0, 45.0, 200.0], [190.0, 40.0, 48.0, 105.0]], [0.0], images, [0])
    found = near_alike(shown, held)
    assert found.images.tolist() == [1, 3, 2, 0]
    assert found.decoys.tolist() == [3, 0, 1, 1]
    assert found.decoy_cosine.tolist() == pytest.approx([0.99619, 0.98481, 0.99619, 0.76604], abs=1e-5)
    assert found.other_cosine.tolist() == pytest.approx([0.5, -0.08716, 0.99863, -0.98481], abs=1e-5)
    assert (found.nearer, found.of) == (3, 4)  # not image 2


def test_six_rows_at_most_are_shown():
    shown, held = by_hand([[0.0] * 9, [50.0] * 9], [0.0] * 9, torch.rand(2, 9, 1, 4, 4), list(range(9)))
    assert len(near_own_pixels(shown, held).images) == len(near_alike(shown, held).images) == 6


def tile(sheets, number):
    for sheet in sheets:
        spot = number - sheet.first
        if 0 <= spot < sheet.count:
            whole = Image.open(io.BytesIO(base64.b64decode(sheet.data))).convert("RGB")
            row, column, side = spot // sheet.columns, spot % sheet.columns, sheet.side
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            return np.asarray(whole.crop(box), dtype=float) / 255
    raise AssertionError(f"tile {number} lies in no sheet")


def nearest_picture(pictures, seen):
    """Which of the pictures a thumbnail shows."""
    known = resized(pictures, seen.shape[0]).permute(0, 2, 3, 1).numpy()
    return int(np.abs(known - seen).mean(axis=(1, 2, 3)).argmin())


def test_an_encoder_that_knows_only_colours_is_shown_with_its_own_views(of_colours, views):
    record = of_colours[1]
    answer, found = record.verdict.learning, record.shortcut
    assert (answer.word, answer.reason) == ("may rest on a shortcut", COLOURS)
    assert (found.reason, found.images, len(found.rows)) == (COLOURS, COUNT, 6)
    assert found.nearer / found.images == pytest.approx(record.signals.learning["bait"]["value"])
    shown = show(Networks(encoder=Histogram()), views)
    margins = []
    for row in found.rows:
        place = int(row.view.name.removeprefix("image "))
        assert {row.decoy.name, row.other.name} == {row.view.name}
        assert nearest_picture(views.own.images[0], tile(found.sheets, row.view.tile)) == place
        assert nearest_picture(views.shuffled.images[0], tile(found.sheets, row.decoy.tile)) == place
        assert nearest_picture(views.own.images[1], tile(found.sheets, row.other.tile)) == place
        view, other, mixed = (
            one[None].double() for one in (*shown.h[:, place], shown.shuffled[place])
        )  # all images are chosen, in order
        for entry, rows in ((row.decoy, mixed), (row.other, other)):
            assert entry.cosine == pytest.approx(float(torch.cosine_similarity(view, rows)), abs=1e-4)
        margins.append(row.decoy.cosine - row.other.cosine)
    assert margins == sorted(margins, reverse=True)
    assert row.view.cosine is None
    assert row.view.look is None


def test_its_page_holds_the_pictures_and_the_answer_leads_there(of_colours):
    folder, record = of_colours
    text = unescape(render([folder]))
    assert "a record has an unexpected form" not in text
    card = text.split('id="shortcut-pictures"')[1].split("</ul>\n</div>\n</div>")[0]
    assert "What the shortcut looks like" in card
    assert f"In {record.shortcut.nearer} of {COUNT} images a view lies at least as near" in card
    assert card.count('class="strip"') == 6
    assert [int(n) for n in re.findall(r"--column: (\d+)", card)] == list(range(18))
    first = record.shortcut.rows[0]
    assert f'aria-label="shuffled {first.decoy.cosine:.3g}: {first.view.name}"' in card
    assert f'<span class="caption" aria-hidden="true">other view {first.other.cosine:.3g}</span>' in card
    assert text.count('<a href="#shortcut-pictures">') == 1
    assert "Is it learning?" in text.split('<a href="#shortcut-pictures">')[0].rsplit("<h3>", 1)[1]
    assert sum(len(sheet.data) for sheet in record.shortcut.sheets) < 30_000


def test_an_encoder_that_knows_brightness_is_shown_with_the_numbers_of_its_pictures(
    monkeypatch, tmp_path, views
):
    measured = networks.learning_signals

    def without_rest(*given, **more):
        """As measured, but that nothing is left without the trivial statistics."""
        found = measured(*given, **more)
        gain = found.residual["own"]
        lost = replace(gain, odds=replace(gain.odds, value=-1.0, low=-1.5, high=-0.5))
        return replace(found, residual={**found.residual, "own": lost})

    monkeypatch.setattr(networks, "learning_signals", without_rest)
    record = written(Moments(), tmp_path / "run")
    found, statistics = record.shortcut, views.own.statistics
    assert (record.verdict.learning.reason, found.reason) == (STATISTICS, STATISTICS)
    scale = statistics.flatten(0, 1).double().std(dim=0, correction=0)
    gaps = []
    for row in found.rows:
        place, near = (int(one.name.removeprefix("image ")) for one in (row.view, row.decoy))
        assert near != place
        assert row.other.name == row.view.name
        assert nearest_picture(views.own.images[0], tile(found.sheets, row.view.tile)) == place
        assert nearest_picture(views.own.images[1], tile(found.sheets, row.decoy.tile)) == near
        for entry, rows in ((row.view, statistics[0, place]), (row.decoy, statistics[1, near])):
            look = [*entry.look.mean, *entry.look.contrast, entry.look.sharpness]
            assert look == pytest.approx(rows.tolist(), abs=6e-4)
        gaps.append(float(((statistics[0, place] - statistics[1, near]) / scale).norm()))
    assert gaps == sorted(gaps)
    text = unescape(render([tmp_path / "run"]))
    look = found.rows[0].decoy.look
    said = "".join(
        f"<span>{name} {', '.join(f'{v:.3g}' for v in getattr(look, name))}</span>"
        for name in ("mean", "contrast")
    )
    assert f"{said}<span>sharpness {look.sharpness:.3g}</span>" in text
    assert f"In {found.nearer} of {COUNT} images another image's view lies at least as near" in text


def test_an_encoder_that_is_learning_has_no_such_pictures(tmp_path):
    record = written(Moments(), tmp_path / "run")
    assert record.verdict.learning.word == "learning"
    assert record.shortcut is None
    text = render([tmp_path / "run"])
    assert "shortcut-pictures" not in text
    assert "What the shortcut looks like" not in text


def test_pictures_of_one_channel_and_names_of_files():
    shown, held = by_hand([[0.0, 90.0], [50.0, 180.0]], [0.0, 90.0], torch.rand(2, 2, 1, 8, 8), [0, 1])
    answer = Answer(word="may rest on a shortcut", reason=STATISTICS)
    found = shortcut_pictures(answer, ("cats/a.png", "7"), held, shown)
    assert {row.view.name for row in found.rows} == {"cats/a.png", "image 7"}
    assert len(found.rows[0].view.look.mean) == 1
    assert shortcut_pictures(Answer(word="barely learning"), ("a", "b"), held, shown) is None
