import base64
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from contrascope import records
from contrascope.cli import main
from contrascope.data.open import open_images
from contrascope.data.pictures.thumbnails import Thumbnails, resized, sheets
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.gallery.curves import concentration
from contrascope.gallery.gallery import gallery, write_gallery
from contrascope.gallery.part import GallerySettings
from contrascope.jobs.train import train
from contrascope.linalg import principal, unit_rows
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.entry import as_tree
from contrascope.runs.load import load_run
from contrascope.runs.recipes import digits_simclr
from contrascope.subjects.open import open_subject
from contrascope.training.settings import TrainingSettings

SMALL = GallerySettings(points=60, rows=2, views=3, measured_views=2, near=3)


def tiny_run(out, **data):
    settings = replace(
        digits_simclr(),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=256, log_every=1),
        data=DataSettings(source="digits", **data),
        monitor=MonitorSettings(times=1, images=64),
    )
    train(settings, out)
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def record(run):
    return as_tree(gallery(open_subject(run), SMALL))


def decoded(record, tile):
    for sheet in record["sheets"]:
        spot = tile - sheet["first"]
        if 0 <= spot < sheet["count"]:
            whole = Image.open(io.BytesIO(base64.b64decode(sheet["data"]))).convert("L")
            side, row, column = sheet["side"], spot // sheet["columns"], spot % sheet["columns"]
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            return np.asarray(whole.crop(box), dtype=float) / 255
    raise AssertionError(f"tile {tile} lies in no sheet")


def test_the_map_has_a_value_of_every_column_for_every_point(record):
    shown = record["map"]
    columns = [shown["pca"]["x"], shown["pca"]["y"], *(shown[key] for key in ("label", "pseudo", "split"))]
    columns += [shown["alignment"], shown["id"], shown["tile"]]
    assert {len(column) for column in columns} == {60}
    assert shown["splits"] == ["train", "test"]
    assert [shown["split"].count(number) for number in (0, 1)] == [48, 12]
    assert record["classes"] == [str(digit) for digit in range(10)]


def test_the_tile_of_a_point_shows_its_own_image(run, record):
    train_set, shown = open_images(load_run(run).settings.data), record["map"]
    for place in (0, 17, 47):
        pixels = train_set.gather(torch.tensor([shown["id"][place]])).float() / 255
        expected = resized(pixels, 32)[0, 0].numpy()
        errors = [np.abs(decoded(record, tile) - expected).mean() for tile in shown["tile"][:48]]
        assert int(np.argmin(errors)) == place
        assert errors[place] < 0.06
        assert shown["label"][place] == int(train_set.y[shown["id"][place]])


def test_extremes_are_those_of_the_alignment_column(record):
    shown = record["map"]
    by_id = dict(zip([f"image {i}" for i in shown["id"][:48]], shown["alignment"][:48], strict=True))
    ranked = sorted(by_id.values())
    assert [row["alignment"] for row in record["best"]] == pytest.approx(ranked[:2])
    assert [row["alignment"] for row in record["worst"]] == pytest.approx(ranked[:-3:-1])
    for row in [*record["best"], *record["worst"]]:
        assert row["alignment"] == pytest.approx(by_id[row["name"]])
        assert len(row["views"]) == 2


def test_neighbours_are_the_nearest_by_cosine_of_clean_images(run, record):
    loaded = load_run(run)
    ids = torch.tensor(record["map"]["id"][:48])
    some = open_images(loaded.settings.data).select(ids)
    h = unit_rows(embed(loaded.encoder, None, some).h[0]).double()
    names = [f"image {i}" for i in ids.tolist()]
    for row in record["neighbours"]:
        query = names.index(row["name"])
        cosines = sorted(((float(h[query] @ other), names[j]) for j, other in enumerate(h) if j != query))[
            ::-1
        ]
        assert [near["cosine"] for near in row["near"]] == pytest.approx(
            [c for c, _ in cosines[:3]], abs=2e-4
        )
        assert row["near"][0]["label"] is not None
    assert [row["confusing"] for row in record["neighbours"]].count(True) == 2


def test_views_carry_the_numbers_that_made_them(record):
    said = [line for row in record["views"] for view in row["views"] for line in view["parameters"]]
    assert any(line.startswith("random resized crop: box ") for line in said)
    assert all(len(row["views"]) == 3 for row in record["views"])


def test_spectra_and_r_epsilon_stand_beside_the_random_twin(record):
    for key in ("h", "z", "reference_h", "reference_z"):
        assert record["spectra"][key] == sorted(record["spectra"][key], reverse=True)
        share = record["r_epsilon"]["layers"][key]["share"]
        assert share == sorted(share, reverse=True)
        assert share[-1] == 0
    assert record["spectra"]["h"] != record["spectra"]["reference_h"]


def test_concentration_rises_to_one_and_its_smallest_class_is_below_the_mean(record):
    for layer in ("h", "reference_h"):
        curve = record["concentration"]["layers"][layer]
        assert curve["mean"] == sorted(curve["mean"])
        assert curve["mean"][-1] == curve["smallest"][-1] == 1
        assert all(low <= mean for low, mean in zip(curve["smallest"], curve["mean"], strict=True))


def test_concentration_by_hand():
    angles = torch.tensor([0.0, 0.05, 1.5707963])
    rows = torch.stack([angles.cos(), angles.sin()], dim=1)[None]
    found = concentration({"h": rows}, torch.zeros(3, dtype=torch.long))
    share = dict(zip(found["deltas"], found["layers"]["h"]["smallest"], strict=True))
    assert share[0.0] == pytest.approx(1 / 3, abs=1e-5)
    assert share[0.1] == pytest.approx(2 / 3, abs=1e-5)
    assert share[1.3] == pytest.approx(2 / 3, abs=1e-5)
    assert share[1.5] == 1


def test_an_image_that_is_shown_twice_is_embedded_once(record):
    rows = [*record["views"], *record["best"], *record["worst"], *record["neighbours"]]
    shown = [*rows, *(near for row in record["neighbours"] for near in row["near"])]
    tiles = {}
    for item in shown:
        assert tiles.setdefault(item["name"], item["tile"]) == item["tile"]
    first_of_map = record["map"]["tile"][0]
    views = sum(len(row.get("views", ())) for row in rows)
    assert first_of_map == len(tiles) + views


def test_the_record_is_the_same_again(run, record):
    assert json.dumps(as_tree(gallery(open_subject(run), SMALL))) == json.dumps(record)


def test_images_without_labels_have_no_label_column(tmp_path):
    record = as_tree(gallery(open_subject(tiny_run(tmp_path / "run", labels="none")), SMALL))
    assert record["map"]["label"] is None
    assert record["classes"] == []
    assert all(row["label"] is None for row in record["neighbours"])


@pytest.mark.parametrize(("name", "value"), [("points", 20_001), ("points", 15), ("measured_views", 1)])
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"gallery\.{name} is {value}; expected at"):
        GallerySettings(**{name: value})


def test_principal_directions_are_those_of_scikit_learn_up_to_sign():
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 7.0)
    place, shares = principal(rows)
    reference = PCA(2).fit(rows.double().numpy())
    np.testing.assert_allclose(
        place.abs().numpy(), np.abs(reference.transform(rows.double().numpy())), atol=1e-8
    )
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_)
    torch.testing.assert_close(principal(rows[:, [5, 4, 3, 2, 1, 0]])[0], place)


def test_equal_rows_and_one_dimension_have_a_map_too():
    assert principal(torch.ones(4, 3))[1] == [0.0, 0.0]
    assert principal(torch.arange(4.0)[:, None])[0].shape == (4, 2)


def test_small_tiles_are_kept_without_loss_and_in_their_order():
    tiles = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 255
    record = {"sheets": sheets(tiles, first=5)}
    for place in (0, 31, 32, 39):
        np.testing.assert_allclose(decoded(record, 5 + place), tiles[place, 0].numpy(), atol=1e-6)


def test_a_picture_with_a_known_key_gets_its_old_number():
    thumbnails = Thumbnails(8)
    picture = torch.zeros(3, 8, 8)
    assert [thumbnails.put(picture, key=4), thumbnails.put(picture), thumbnails.put(picture, key=4)] == [
        0,
        1,
        0,
    ]
    assert len(thumbnails) == 2


def test_report_measures_what_is_missing_and_prints_the_path_of_the_page(run, capsys):
    assert main(["report", str(run), "--points", "40"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{run / 'report.html'}\n"
    assert f"diagnosed: {run / records.DIAGNOSIS}" in said.err
    assert f"pictures and map: {run / records.GALLERY}" in said.err
    text = (run / "report.html").read_text()
    assert "Not everything was found" not in text
    assert "a record has an unexpected form" not in text
    assert 'data-map="map-0"' in text


def test_report_can_leave_the_folder_as_it_is(run, tmp_path, capsys):
    kept = (records.GALLERY, records.DIAGNOSIS, "report.html")
    folder = shutil.copytree(run, tmp_path / "run", ignore=lambda *_: kept)
    before = sorted(path.name for path in folder.iterdir())
    out = tmp_path / "page.html"
    assert main(["report", str(folder), "--no-gallery", "--no-diagnosis", "--out", str(out)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    assert "gallery.json is missing" in out.read_text()
    assert capsys.readouterr().err.count("pictures") == 0


def test_report_without_the_images_says_so_and_still_writes_the_page(run, tmp_path, capsys):
    lost = tmp_path / "lost"
    lost.mkdir()
    tree = records.read_json(run / records.SETTINGS)
    tree["data"]["source"] = str(tmp_path / "gone")
    records.write_json(lost / records.SETTINGS, tree)
    assert main(["report", str(lost)]) == 0
    said = capsys.readouterr()
    assert "no diagnosis: " in said.err
    assert "no pictures and no map: " in said.err
    assert "metrics.jsonl is missing" in (lost / "report.html").read_text()


def test_report_of_several_runs_is_a_comparison(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run), str(run)]) == 0
    assert capsys.readouterr().out == "comparison.html\n"
    assert "One row a run" in (tmp_path / "comparison.html").read_text()


def test_report_of_something_else_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "is no folder; expected the folder of a run" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_write_gallery_needs_a_checkpoint(run, tmp_path):
    for name in (records.SETTINGS, records.ENVIRONMENT):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(InputError, match="has no checkpoint yet"):
        write_gallery(tmp_path)
