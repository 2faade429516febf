"""Digits by their pixels, a part labelled: accuracy, confidence, and a class without labels."""

import csv
from dataclasses import replace

import pytest
import torch
from PIL import Image

import contrascope
from contrascope.curation.predict import DO_NOT_KNOW, write_predictions
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.evaluation.few.cross_validation import calibration_error
from contrascope.features.features import Features
from contrascope.features.files import save_features

UNLABELLED = 4
"""The digit of which no image has a label."""


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "class"), *rows])
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A file of rows, the true digit of each, and a table with 120 labels of nine digits."""
    folder = tmp_path_factory.mktemp("digits")
    images = open_images(DataSettings(source="digits"))
    names = tuple(f"scan-{at}.png" for at in range(len(images)))
    h = images.gather(torch.arange(len(images))).float().flatten(1)
    file = save_features(Features(h=h[None], ids=torch.arange(len(h)), names=names), folder / "rows.npz")
    truth = images.labels["digit"]
    order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(0)).tolist()
    known = [at for at in order if truth[at] != UNLABELLED][:120]
    labels = table(folder / "labels.csv", [(names[at], f"digit {truth[at]}") for at in known])
    return file, truth, labels


@pytest.fixture(scope="module")
def found(digits):
    file, _, labels = digits
    return contrascope.predict(str(file), labels)


def test_accuracy_and_confidence_hold_on_images_without_labels(digits, found):
    truth = digits[1]
    rest = torch.tensor([at not in found.given for at in range(len(truth))]) & (truth != UNLABELLED)
    said = torch.tensor([int(word.removeprefix("digit ")) for word in found.classes])[found.guess]
    right = said == truth
    accuracy = right[rest].double().mean().item()
    assert accuracy > 0.85  # a ninth by chance
    assert found.tested.accuracy.low <= accuracy <= found.tested.accuracy.high
    assert calibration_error(found.confidence[rest], right[rest]) < 0.05
    answered = found.answered & rest
    assert right[answered].double().mean() > accuracy
    assert 0.8 < answered.sum() / rest.sum() < 0.97


def test_the_unlabelled_class_is_mostly_not_answered(digits, found):
    stranger = digits[1] == UNLABELLED
    assert (~found.answered[stranger]).double().mean() > 0.4
    assert found.tested.unlabelled is not None
    assert found.tested.unlabelled.value == pytest.approx(
        (~found.answered[stranger]).double().mean().item(), abs=0.25
    )


def test_the_table_has_every_image_and_keeps_the_labels(digits, found, tmp_path):
    file = write_predictions(found, tmp_path / "deeper" / "predictions.csv")
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == len(digits[1])
    assert sum(row["labelled"] == "yes" for row in rows) == 120
    for at in list(found.given)[:20]:
        assert rows[at]["answer"] == f"digit {digits[1][at]}"
    words = {row["answer"] for row in rows}
    assert DO_NOT_KNOW in words
    assert f"digit {UNLABELLED}" not in words
    assert all(0 <= float(row["confidence"]) <= 1 for row in rows)


@pytest.fixture
def pair(tmp_path, pictures):
    """Two folders of bright and dark pictures with the same kind of names, and an encoder for them."""
    for name, seed in (("old", 0), ("new", 1)):
        (tmp_path / name).mkdir()
        images = pictures(24, seed=seed).float()
        images[::2] = images[::2] / 3
        for place, image in enumerate(images.byte()):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / name / f"{name}{place:02d}.png")
    light = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 4))
    with torch.no_grad():
        light[2].weight.copy_(torch.tensor([[1.0] * 3, [-1.0] * 3, [1.0, 0, 0], [0, 0, 1.0]]))
        light[2].bias.copy_(torch.tensor([0.0, 1.5, 0.0, 0.0]))
    words = [(f"old{place:02d}.png", "bright" if place % 2 else "dark") for place in range(24)]
    return light, tmp_path, words


def test_labels_of_one_folder_answer_for_another(pair):
    light, base, words = pair
    found = contrascope.predict(
        light, table(base / "labels.csv", words), str(base / "new"), labelled_images=str(base / "old")
    )
    assert found.given == {}
    right = [answer == ("bright" if at % 2 else "dark") for at, answer in enumerate(found.answers())]
    assert sum(right) >= 20
    assert found.tested.accuracy.value > 0.9


def test_wrong_tables_and_folders_end_in_one_sentence(pair):
    light, base, words = pair
    old = str(base / "old")
    cases = [
        ([*words, ("absent.png", "dark")], "absent.png, and the images have no such name"),
        ([(name, "dark") for name, _ in words], "all 24 labelled images are of one class"),
        (words[:6], "6 labelled images; expected at least 10"),
        ([(name, "") for name, _ in words], "has no class in any row"),
    ]
    for rows, said in cases:
        with pytest.raises(InputError, match=said):
            contrascope.predict(light, table(base / "labels.csv", rows), old)
    good = table(base / "labels.csv", words)
    with pytest.raises(InputError, match="does not exist"):
        contrascope.predict(light, good, str(base / "missing") + "/")
    with pytest.raises(InputError, match="cannot be read"):
        contrascope.predict(light, base / "no-table.csv", old)
    with pytest.raises(InputError, match="decline is 1"):
        contrascope.predict(light, good, old, decline=1.0)
    (base / "old" / "old99.png").write_bytes((base / "old" / "old01.png").read_bytes()[:300])
    with pytest.raises(InputError, match=r"old99\.png is broken or truncated"):
        contrascope.predict(light, good, old)
    skipping = replace(DataSettings(source=old), on_bad_image="skip")
    assert len(contrascope.predict(light, good, skipping).rows) == 24
