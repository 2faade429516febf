import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contrascope.cli import main
from contrascope.data.settings import DataSettings
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.published import PUBLISHED_AUGMENTED, PUBLISHED_TRANSFER
from contrascope.evaluation.suites import AugmentedSettings, FinetuneSettings, TransferProtocol
from contrascope.records.entry import as_tree
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.records.typed import read_record, record_of
from contrascope.runs import feature_store
from contrascope.runs.feature_store import FeatureStore
from contrascope.subjects import encoder as suite_encoder
from contrascope.subjects.encoder import RANDOM, TRAINED, networks_for_any_images
from contrascope.subjects.open import open_subject
from contrascope.suites import robustness as suite_augmented
from contrascope.suites import transfer as suite_transfer
from contrascope.suites.run import evaluate_suite
from contrascope.terminal.suites import show_suite

AUGMENTED = AugmentedSettings(corruptions=("noise", "jpeg"), severities=(1, 5), train_images=60)
PROTOCOL = Protocol(probe_grid=(0.1,), bootstrap=20)
TRANSFER = TransferProtocol(penalties=3, powers=(-1.0, 3.0), bootstrap=20, shots=(1, 5), draws=3)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def sets(tmp_path):
    """Three small sets of arrays: gray, colour with a validation split, and one whose test class is too small."""
    rng, paths = np.random.default_rng(0), []
    for name, channels, splits in (
        ("gray", 1, {"train": 60, "test": 30}),
        ("colour", 3, {"train": 60, "validation": 30, "test": 30}),
        ("few", 3, {"train": 9, "test": 6}),
    ):
        held = {}
        for split, count in splits.items():
            y = np.arange(count) % 3
            pixels = rng.integers(0, 90, (count, 16, 16, channels)) + 80 * y[:, None, None, None]
            held |= {f"{split}_images": pixels.astype(np.uint8), f"{split}_labels": y}
        np.savez(tmp_path / f"{name}.npz", **held)
        paths.append(str(tmp_path / f"{name}.npz"))
    return paths


def nothing(text):
    del text


def two_networks(suite_run):
    return networks_for_any_images(open_subject(suite_run), references=True)


def transfer(suite_run, sets, out, *, protocol=TRANSFER, store=None, say=nothing):
    found = suite_transfer.transfer_suite(
        str(suite_run), sets, DataSettings(), protocol, out=out, store=FeatureStore(folder=store), say=say
    )
    return as_tree(found)


def shown(tree, kind=TransferRecord):
    return show_suite(record_of(kind, tree, Path(kind.FILE)).record, as_json=False)


def test_the_robustness_suite_holds_every_copy_and_corruption_of_three_representations(suite_run, tmp_path):
    found = evaluate_suite(
        "augmented", str(suite_run), DataSettings(), protocol=PROTOCOL, augmented=AUGMENTED, out=tmp_path
    )
    record = as_tree(found)
    assert json.loads((tmp_path / suite_augmented.RECORD).read_text()) == json.loads(json.dumps(record))
    for of in ("trained encoder", "random encoder", "raw pixels"):
        rows = [row for row in record["rows"] if row["of"] == of]
        own = [row["copy"] for row in rows if row["probe"] == "own"]
        assert sorted(own) == sorted(["original", "grayscale", "crop", "flip", "jitter", "jitter_grayscale"])
        kinds = {(row["copy"], row["severity"]) for row in rows if row["severity"]}
        assert kinds == {(name, severity) for name in ("noise", "jpeg") for severity in (1, 5)}
        assert all(abs(row["risk_gap"]) <= row["bound"] for row in rows if row["probe"] == "original")
    assert record["train_images"] == 60
    assert len(record["published"]) == len(PUBLISHED_AUGMENTED)
    worst = {row["of"]: row["l_ar_unit"] for row in record["robustness"]}
    pairs = [
        row["l_ar_unit"] for row in record["rows"] if row["of"] == "trained encoder" and not row["severity"]
    ]
    assert worst["trained encoder"] >= max(pairs)
    text = shown(record, AugmentedRecord)
    assert all(
        word in text for word in ("89.11", "jitter", "severity 5", record["protocol"], "trained encoder")
    )
    assert json.loads(show_suite(found, as_json=True)) == json.loads(json.dumps(record))


def test_the_transfer_suite_names_what_is_not_available_and_measures_the_rest(
    suite_run, sets, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # a short name, so that the table shows all of it
    missing = "missing.npz"
    record = transfer(suite_run, [*sets, missing], tmp_path / "r.json")
    assert "does not exist" in record["sets"][missing]["not_available"]["set"]
    few = record["sets"][sets[2]]
    assert (
        "not defined: class '0' has 3 training images, and 5 are asked for"
        in few["not_available"]["trained encoder, few_labels_5"]
    )
    assert {row["mode"] for row in few["rows"]} == {"linear", "few_labels_1"}
    full = record["sets"][sets[1]]
    assert {(row["of"], row["mode"]) for row in full["rows"]} == {
        (of, mode)
        for of in ("trained encoder", "random encoder")
        for mode in ("linear", "few_labels_1", "few_labels_5")
    }
    assert next(row for row in full["rows"] if row["mode"] == "linear")["train"] == 90
    found = record["summary"]["linear"]["networks"]["trained encoder"]
    values = [
        r["value"]
        for e in record["sets"].values()
        for r in e["rows"]
        if (r["of"], r["mode"]) == ("trained encoder", "linear")
    ]
    assert found["mean"] == pytest.approx(sum(values) / 3)
    assert found["mean_is"] == "mean of the 3 available of 4"
    assert record["summary"]["linear"]["published"] == PUBLISHED_TRANSFER["linear"]
    text = shown(record)
    assert "Transfer: not available" in text
    assert "missing" in text.split("Transfer: not available")[1]
    assert "mean of the 3 available of 4" in text
    assert "74.21" in text


def test_a_transfer_suite_goes_on_where_it_was_stopped(suite_run, sets, tmp_path, monkeypatch):
    out, embedded, real = tmp_path / "r.json", [], feature_store.embed

    def counted(module, projector, images, **more):
        embedded.append(images.name)
        return real(module, projector, images, **more)

    def stop(text):
        if "colour.npz: random encoder" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(feature_store, "embed", counted)
    with pytest.raises(KeyboardInterrupt):
        transfer(suite_run, sets, out, store=tmp_path / "f", say=stop)
    before = json.loads(out.read_text())
    assert (
        before["summary"]["linear"]["networks"]["trained encoder"]["mean_is"]
        == "mean of the 2 available of 3"
    )
    assert before["sets"][sets[2]]["not_available"] == {"set": suite_transfer.UNREACHED}
    assert re.search(r"few\S* +│ the set +│ the suite has not", shown(before))
    assert len(before["sets"][sets[0]]["rows"]) == 6
    assert len(before["sets"][sets[1]]["rows"]) == 3
    first = len(embedded)
    assert first == 2 * 2 + 3
    whole = transfer(suite_run, sets, out, store=tmp_path / "f")
    assert len(embedded) == first + 3 + 2 * 2
    for text in sets[:2]:
        assert (
            whole["sets"][text]["rows"][: len(before["sets"][text]["rows"])] == before["sets"][text]["rows"]
        )
    assert len(whole["sets"][sets[1]]["rows"]) == 6
    assert whole["sets"] == transfer(suite_run, sets, tmp_path / "anew.json", store=tmp_path / "f")["sets"]
    assert len(embedded) == first + 7


def test_other_images_under_the_same_name_are_refused_after_the_other_sets_and_keep_the_rows(
    suite_run, sets, tmp_path
):
    out = tmp_path / "r.json"
    first = replace(TRANSFER, modes=("linear",))
    before = transfer(suite_run, sets[:1], out, protocol=first)["sets"][sets[0]]
    held = dict(np.load(sets[0]))
    np.savez(sets[0], **{**held, "test_labels": (held["test_labels"] + 1) % 3})
    with pytest.raises(InputError, match=r"(?s)measured on other images:.*gray\.npz\.data: .* -> .*--out"):
        transfer(suite_run, sets[:2], out)
    after = json.loads(out.read_text())["sets"]
    assert {key: after[sets[0]][key] for key in ("rows", "data")} == {
        key: before[key] for key in ("rows", "data")
    }
    assert len(after[sets[1]]["rows"]) == 6
    anew = transfer(suite_run, sets[:1], tmp_path / "anew.json")["sets"][sets[0]]["rows"]
    assert anew[0]["value"] != before["rows"][0]["value"]


def test_another_protocol_is_refused_by_name_and_the_finished_record_stays(suite_run, sets, tmp_path):
    out = tmp_path / "r.json"
    transfer(suite_run, sets[:1], out)
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"(?s)another request:.*settings.transfer.draws: 3 -> 4"):
        transfer(suite_run, sets[:1], out, protocol=replace(TRANSFER, draws=4))
    assert out.read_bytes() == before


def test_more_sets_modes_and_references_add_to_a_finished_record(suite_run, sets, tmp_path, monkeypatch):
    out, first = tmp_path / "r.json", replace(TRANSFER, modes=("linear",), references=False)
    before = transfer(suite_run, sets[:1], out, protocol=first)["sets"][sets[0]]["rows"]
    said = []
    record = transfer(suite_run, sets[:2], out, say=said.append)
    assert record["sets"][sets[0]]["rows"][:1] == before
    assert not any("gray.npz: trained encoder, linear" in text for text in said)
    assert [len(record["sets"][text]["rows"]) for text in sets[:2]] == [6, 6]
    assert record["settings"]["modes"] == ["linear", "few_labels"]
    assert record["settings"]["references"]
    again = transfer(suite_run, sets[:1], out, protocol=first)
    assert again["sets"] == record["sets"]
    assert again["asked"] == sets[:1]


@pytest.fixture
def old_run(tmp_path):
    return Path(
        shutil.copytree(Path(__file__).parents[1] / "runs" / "format0" / "digits-simclr", tmp_path / "old")
    )


def test_the_suites_of_version_0_1_go_on_and_lose_no_row(old_run, monkeypatch):
    for module, name in ((suite_augmented, "embed"), (feature_store, "embed")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("measured again"))
    for suite in ("augmented", "transfer"):
        path = old_run / f"evaluation-{suite}.json"
        before = json.loads(path.read_text())
        kind = AugmentedRecord if suite == "augmented" else TransferRecord
        kept = read_record(kind, path).record
        record = evaluate_suite(suite, str(old_run), DataSettings(), sets=before.get("asked", ()))
        assert record.request is not None
        assert replace(record, request=None) == kept
        if suite == "transfer":  # written again, in today's form; the other had nothing to add
            assert read_record(kind, path).record == record
        else:
            assert json.loads(path.read_text()) == before


def test_the_suites_of_version_0_1_asked_otherwise_are_left_untouched(old_run):
    before = {path: path.read_bytes() for path in old_run.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"settings\.augmented\.seed: 0 -> 1"):
        evaluate_suite("augmented", str(old_run), DataSettings(), augmented=AugmentedSettings(seed=1))
    with pytest.raises(InputError, match=r"settings\.transfer\.bootstrap: 1000 -> 9"):
        evaluate_suite(
            "transfer",
            str(old_run),
            DataSettings(),
            sets=["scenes@digit"],
            transfer=TransferProtocol(bootstrap=9),
        )
    assert before == {path: path.read_bytes() for path in old_run.iterdir() if path.is_file()}


def test_fewer_images_and_no_random_encoder_make_a_short_suite(suite_run, sets, tmp_path, monkeypatch):
    embedded, real = [], feature_store.embed

    def counted(module, projector, images, **more):
        embedded.append(len(images))
        return real(module, projector, images, **more)

    monkeypatch.setattr(feature_store, "embed", counted)
    short = replace(TRANSFER, modes=("linear",), train_images=24, test_images=12, references=False)
    record = transfer(suite_run, sets[1:2], tmp_path / "r.json", protocol=short)
    (row,) = record["sets"][sets[1]]["rows"]
    assert (row["of"], row["train"], row["n"]) == ("trained encoder", 48, 12)
    assert sorted(embedded) == [12, 24, 24]


def test_a_set_that_was_not_available_is_tried_again(suite_run, sets, tmp_path):
    out, late = tmp_path / "r.json", str(tmp_path / "late.npz")
    assert transfer(suite_run, [late], out)["summary"] == {}
    Path(late).write_bytes(Path(sets[0]).read_bytes())
    record = transfer(suite_run, [late], out)
    assert record["sets"][late]["not_available"] == {}
    assert len(record["sets"][late]["rows"]) == 6


def test_a_name_that_is_almost_one_of_the_nine_is_met_with_a_hint(suite_run, tmp_path, monkeypatch):
    def unreachable(one, data):
        raise InputError(f"{one.source!r} is no file or folder here.")

    monkeypatch.setattr(suite_transfer, "open_transfer_set", unreachable)
    record = transfer(suite_run, ["pet", "something-else"], tmp_path / "r.json")
    reasons = [entry["not_available"]["set"] for entry in record["sets"].values()]
    assert reasons[0] == "'pet' is no file or folder here. Did you mean 'pets'?"
    assert reasons[1] == "'something-else' is no file or folder here."


def test_fine_tuning_runs_through_the_suite_and_resumes_its_grid(suite_run, sets, tmp_path, monkeypatch):
    small = FinetuneSettings(steps=2, batch_size=16, rates=(1e-3, 1e-1), decays=(0.0,))
    protocol = TransferProtocol(modes=("finetune",), finetune=small, bootstrap=20)
    out, said = tmp_path / "r.json", []

    def stop(text):
        said.append(text)
        if "rate 0.001" in text and len(said) < 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer(suite_run, [sets[1], sets[0]], out, protocol=protocol, say=stop)
    points = json.loads(out.read_text())["sets"][sets[1]]["points"]
    assert list(points["trained encoder"]) == ["rate 0.001, decay 0"]
    record = transfer(suite_run, [sets[1], sets[0]], out, protocol=protocol, say=said.append)
    assert sum("rate 0.001" in text and "colour" in text for text in said) == 2
    rows = record["sets"][sets[1]]["rows"]
    assert [(row["of"], row["mode"], row["train"], row["n"]) for row in rows] == [
        ("trained encoder", "finetune", 90, 30),
        ("random encoder", "finetune", 90, 30),
    ]
    assert record["sets"][sets[0]]["rows"][0]["train"] == 60
    assert record["summary"]["finetune"]["published"] == PUBLISHED_TRANSFER["finetune"]


def test_features_are_read_back_for_the_same_weights_and_images_only(suite_run, sets, tmp_path):
    from contrascope.data.open import open_images

    networks, store = two_networks(suite_run), FeatureStore(folder=tmp_path / "f")
    images = open_images(DataSettings(source=sets[1]))
    first = store.embed(networks[TRAINED], images)
    (file,) = (tmp_path / "f").iterdir()
    stamp = file.stat().st_mtime_ns
    assert torch.equal(store.embed(networks[TRAINED], images).h, first.h)
    assert file.stat().st_mtime_ns == stamp
    store.embed(networks[RANDOM], images)
    store.embed(networks[TRAINED], images.select(torch.arange(5)))
    assert len(list((tmp_path / "f").iterdir())) == 3
    file.write_bytes(b"torn")
    assert torch.equal(store.embed(networks[TRAINED], images).h, first.h)


def test_one_changed_weight_changes_the_hash(suite_run):
    networks = two_networks(suite_run)
    before = weights_hash(networks[TRAINED])
    assert before == weights_hash(two_networks(suite_run)[TRAINED]) != weights_hash(networks[RANDOM])
    with torch.no_grad():
        next(networks[TRAINED].parameters()).view(-1)[0] += 1e-3
    assert weights_hash(networks[TRAINED]) != before


def test_the_command_line_runs_both_suites(suite_run, sets, tmp_path, capsys):
    quick = ["--protocol.bootstrap", "9", "--protocol.probe-grid", "0.1", "--no-references"]
    quick += ["--corruptions", "blur", "--severities", "3"]
    assert main(["robustness", str(suite_run), "--out", str(tmp_path), *quick]) == 0
    assert "published" in capsys.readouterr().out
    few = ["--penalties", "2", "--bootstrap", "9", "--modes", "linear", "--json"]
    assert main(["transfer", str(suite_run), "--sets", sets[0], *few, "--out", str(tmp_path)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["summary"]["linear"]["networks"]["trained encoder"]["mean_is"] == "mean of all 1"


def test_a_transfer_of_which_nothing_could_be_had_is_wrong_input(suite_run, sets, tmp_path, capsys):
    asked = ["transfer", str(suite_run), "--modes", "linear", "--penalties", "2", "--bootstrap", "9"]
    nowhere = str(tmp_path / "nowhere")
    assert main([*asked, "--sets", nowhere, "--out", str(tmp_path / "a")]) == 2
    assert "nowhere" in capsys.readouterr().out
    assert main([*asked, "--sets", nowhere, sets[0], "--no-references", "--out", str(tmp_path / "b")]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "resnet18"], "evaluate needs the images"),
        (["robustness", "resnet18"], "is no run and has no images of its own"),
        (
            ["evaluate", "resnet18", "--suite", "augmented", "--sets", "pets"],
            "--sets belongs to contrascope transfer",
        ),
        (["transfer", "resnet18", "--sets", "a@b@c"], "no metric 'c'"),
    ],
)
def test_a_wrong_command_is_refused(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_images_of_other_channels_are_refused():
    with pytest.raises(InputError, match="images have 2 channels and the encoder takes 3"):
        suite_encoder.AnyChannels(torch.nn.Flatten(), channels=3)(torch.rand(1, 2, 4, 4))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["mnist", "caltech101-32@label@mean", "cifar10-exact-5k", "tiny-imagenet-200"], ids=str
)
def test_real_sets_are_measured(suite_run, text, tmp_path, monkeypatch):
    folder = REAL / text.split("@")[0]
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    real = suite_transfer.open_transfer_set

    def opened(*args):
        found = real(*args)
        some = torch.arange(600)
        parts = {"train": found.train.select(some), "test": found.test.select(some)}
        return type(found)(**{**found.__dict__, **parts, "validation": None})

    monkeypatch.setattr(suite_transfer, "open_transfer_set", opened)
    one = TransferProtocol(penalties=3, modes=("linear", "few_labels"), shots=(1,), draws=2, bootstrap=20)
    record = transfer(suite_run, [str(REAL / text)], tmp_path / "r.json", protocol=one)
    (entry,) = record["sets"].values()
    assert entry["not_available"] == {}
    assert entry["metric"] == ("mean_per_class" if "mean" in text else "top1")
    assert [row["mode"] for row in entry["rows"]] == ["linear", "few_labels_1"] * 2
