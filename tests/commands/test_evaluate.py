import json

import pytest

from contrascope.cli import main

QUICK = ["--protocol.k", "5", "--json"]


def test_a_run_is_embedded_and_evaluated_and_so_are_its_files(whole, tmp_path, capsys):
    files = []
    for split in ("train", "test"):
        files.append(str(tmp_path / f"{split}.safetensors"))
        assert main(["embed", str(whole), "digits", "--data.split", split, "--out", files[-1]]) == 0
        assert capsys.readouterr().out == f"{files[-1]}\n"
    assert main(["evaluate", *files, *QUICK]) == 0
    ours = {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert main(["evaluate", str(whole), "digits", *QUICK]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {row["of"] for row in table} == {"trained encoder", "random encoder", "raw pixels"}
    theirs = {row["name"]: row["value"] for row in table if row["of"] == "trained encoder"}
    assert ours == pytest.approx(theirs)
    assert main(["evaluate", files[0], "digits"]) == 2
    assert "the second argument must be one too" in capsys.readouterr().err


def test_an_encoder_is_embedded_by_its_name(tmp_path, capsys):
    out = tmp_path / "x.npz"
    assert main(["embed", "convnet", "digits", "--data.split", "test", "--out", str(out)]) == 0
    assert out.is_file()
    assert main(["embed", str(tmp_path), "digits", "--out", str(out)]) == 2
    assert "is this the folder of a run" in capsys.readouterr().err
