"""The schema of `contrascope diagnose --json`: the file in docs, what commands print, and what they may not print."""

import copy
import json
import re
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
import torch

import contrascope
from contrascope.cli import main
from contrascope.commands.command import BROKEN, DONE, WRONG_INPUT
from contrascope.commands.diagnose import FAILING
from contrascope.terminal.schema import WORDS, diagnosis_schema

FILE = Path(__file__).resolve().parents[2] / "docs" / "diagnosis.schema.json"
DRAWN = torch.Generator().manual_seed(0)
H = torch.randn(1, 60, 8, generator=DRAWN).repeat(2, 1, 1) + 0.1 * torch.randn(2, 60, 8, generator=DRAWN)


@pytest.fixture(scope="module")
def check():
    jsonschema.Draft202012Validator.check_schema(diagnosis_schema())
    return jsonschema.Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8"))).validate


def printed(capsys, *words):
    code = main(["diagnose", *map(str, words), "--json", "--diagnosis.draws", "0"])
    return code, json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def arrays(folder, **more):
    np.savez(folder / "h.npz", h=H.numpy(), z=H[..., :4].numpy(), **more)
    return folder / "h.npz"


def test_the_file_in_docs_is_that_of_the_records():
    """Write it anew: python -m contrascope.terminal.schema > docs/diagnosis.schema.json."""
    assert json.loads(FILE.read_text(encoding="utf-8")) == diagnosis_schema()


def test_what_the_command_prints_of_arrays_fits(tmp_path, capsys, check):
    np.save(tmp_path / "h.npy", H[0].numpy())
    for words in ([tmp_path / "h.npy"], [arrays(tmp_path, **{"y.kind": np.arange(60) % 3})]):
        code, found = printed(capsys, *words)
        check(found)
        assert (code, found["format"], found["kind"]) == (0, 1, "diagnosis")


def test_what_it_prints_of_broken_rows_fits_without_a_number_that_json_lacks(tmp_path, capsys, check):
    rows = H[0].clone()
    rows[3, 2] = torch.nan
    np.save(tmp_path / "h.npy", rows.numpy())
    code, found = printed(capsys, tmp_path / "h.npy")
    check(found)
    assert (code, found["verdict"]["sound"]["word"]) == (3, "unsound")


def test_what_it_prints_of_a_monitored_training_fits(tmp_path, capsys, check):
    monitor = contrascope.Monitor(H, out=tmp_path / "run", on_error="raise")
    monitor(torch.nn.Linear(8, 8), step=1)
    monitor.close()
    _, found = printed(capsys, tmp_path / "run")
    check(found)
    check(json.loads((tmp_path / "run" / "diagnosis.json").read_text()))


@pytest.mark.slow
def test_what_it_prints_of_a_network_on_images_fits(capsys, check):
    few = ["--diagnosis.images", "32", "--diagnosis.views", "2"]
    check(printed(capsys, "convnet", "digits", "--policy", "digits", *few)[1])


def test_the_program_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = (FILE.parent / "ci.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    np.save(tmp_path / "embeddings.npy", H[0].numpy())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(contrascope.__file__).parents[1]))
    exec(compile(block, "ci.md", "exec"), {})
    code, word, rank = capsys.readouterr().out.split()
    assert (code, word) == ("0", "sound")
    assert 1 < float(rank) <= 8


def test_the_page_has_the_words_and_codes_of_the_program():
    page = (FILE.parent / "ci.md").read_text(encoding="utf-8")
    for word in (*FAILING, *(word for kind in WORDS.values() for word in get_args(kind))):
        assert f"`{word}`" in page
    for code in (DONE, WRONG_INPUT, BROKEN):
        assert f"| {code} | " in page


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("kind",), "gallery"),
        (("verdict", "sound", "word"), "healthy"),
        (("verdict", "learning", "word"), "sound"),
        (("verdict", "sound", "evidence"), "a sentence"),
        (("signals", "faults", "non_finite"), -1),
        (("factors", "h kind", "bounds"), [{}]),
        (("thing",), None),
    ],
)
def test_what_is_no_diagnosis_does_not_fit(tmp_path, capsys, check, path, value):
    _, found = printed(capsys, arrays(tmp_path, **{"y.kind": np.arange(60) % 3}))
    wrong = copy.deepcopy(found)
    *above, last = path
    part = wrong
    for name in above:
        part = part[name]
    part[last] = value
    with pytest.raises(jsonschema.ValidationError):
        check(wrong)
    check({**found, "added": 1})
