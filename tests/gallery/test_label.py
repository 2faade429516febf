import csv

import pytest
import torch
from torch import nn

from contrascope.errors import InputError
from contrascope.features.labelled import read_labelled
from contrascope.gallery.label import label_images
from contrascope.subjects.open import open_subject
from contrascope.subjects.useful import useful_subject


@pytest.fixture(scope="module")
def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8))


@pytest.fixture(scope="module")
def pixels():
    """Forty bright and forty dark images."""
    source = torch.Generator().manual_seed(0)
    images = torch.randint(100, (80, 1, 8, 8), generator=source, dtype=torch.uint8)
    images[:40, :, :4] += 150
    return images


def filled(table, labels):
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    rows = [rows[0], *([name, labels.get(name, word)] for name, word in rows[1:])]
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return rows


@pytest.mark.parametrize("spread", [False, True])
def test_classes_are_kept_and_more_images_begin_with_the_fewer(tmp_path, model, pixels, spread):
    few = label_images(model, pixels, out=tmp_path, count=4, spread=spread)
    first = [row[0] for row in filled(few.table, {})][1:]
    filled(few.table, dict.fromkeys(first[:2], "cat, <b>"))
    more = label_images(model, pixels, out=tmp_path, count=9, spread=spread)
    assert (more.images, more.kept) == (9, 2)
    assert [row[0] for row in filled(more.table, {})][1:5] == first
    other = label_images(model, pixels, out=tmp_path, count=3, spread=spread, seed=5)
    assert read_labelled(other.table, [str(row) for row in range(80)]).ids.tolist() == sorted(
        map(int, first[:2])
    )
    page = other.page.read_text(encoding="utf-8")
    assert "cat, &lt;b&gt;" in page
    assert "data:image/webp;base64," in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_labelled_table_is_compared_with_random_weights_and_pixels(tmp_path, model, pixels):
    table = label_images(model, pixels, out=tmp_path, count=40).table
    filled(table, {str(row): "bright" if row < 40 else "dark" for row in range(80)})
    subject = open_subject(model, data=pixels)
    labelled = read_labelled(table, subject.names)
    found = useful_subject(subject, labelled.ids, labelled.labels)
    assert found.found.labels == 40
    assert found.found.twin is not None
    assert found.found.pixels is not None
    assert found.found.accuracy.value > 0.8
    assert found.answer in ("yes", "no", "label more")


def test_arrays_have_nothing_to_compare_with():
    subject = open_subject(torch.eye(50))
    with pytest.raises(InputError, match="without a random twin"):
        useful_subject(subject, torch.arange(50), torch.arange(50) % 2)
