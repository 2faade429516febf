"""What the core does alone, and the sentence where a package of an extra is missing."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from contrascope.errors import MissingExtraError
from contrascope.extras import EXTRAS, INSTALLED_AS, WITH_ALL, named_extras

ROOT = Path(__file__).resolve().parents[1]
HEAVY = sorted(name for name, extra in EXTRAS.items() if extra in WITH_ALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

WITHOUT = """
import importlib.abc, io, json, sys
from contextlib import redirect_stderr, redirect_stdout

HEAVY, FOLDER = json.loads(sys.argv[1]), sys.argv[2]

class Absent(importlib.abc.MetaPathFinder):
    asked = []
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            self.asked.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

import torch, numpy
sys.meta_path.insert(0, Absent())
import contrascope
from contrascope.cli import main

found = {"sound": contrascope.diagnose(numpy.load(f"{FOLDER}/h.npy"), draws=0).verdict.sound.word}
views = torch.randn(1, 64, 8).repeat(2, 1, 1) + 0.1 * torch.randn(2, 64, 8)
monitor = contrascope.Monitor(views, out=f"{FOLDER}/watched", on_error="raise")
monitor(torch.nn.Linear(8, 8), step=1)
monitor.close()
found["monitor"] = len(monitor.history)

def command(*words):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words))
    return [code, out.getvalue(), err.getvalue()]

few = ["--diagnosis.draws", "0", "--json"]
found["file"] = command("diagnose", f"{FOLDER}/h.npy", *few)
found["folder"] = command("diagnose", f"{FOLDER}/watched", *few)
found["asked"] = list(Absent.asked)
found["table"] = command("diagnose", f"{FOLDER}/h.parquet")
found["train"] = command("train", "digits-simclr", "--out", f"{FOLDER}/run")
found["help"] = command("--help")
for name, call in {
    "verb": lambda: contrascope.train("digits"),
    "images": lambda: contrascope.diagnose(torch.nn.Flatten(), torch.rand(20, 1, 8, 8), policy="digits"),
    "room": lambda: contrascope.evaluation.KNNClassifier,
}.items():
    try:
        import contrascope.evaluation
        call()
    except Exception as error:
        found[name] = [type(error).__name__, str(error)]
print(json.dumps(found))
"""


def rows(count=100, dim=8):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(0)).numpy()


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """What a process says in which every package of `all` is absent."""
    folder = tmp_path_factory.mktemp("core")
    np.save(folder / "h.npy", rows())
    (folder / "h.parquet").touch()
    words = [sys.executable, "-c", WITHOUT, json.dumps(HEAVY), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (folder / "run").exists()
    return json.loads(done.stdout)


def test_embeddings_a_monitor_and_the_command_on_files_need_no_extra(without):
    assert (without["sound"], without["monitor"]) == ("sound", 1)
    assert without["asked"] == []
    for what in ("file", "folder"):
        code, out, _ = without[what]
        assert json.loads(out)["verdict"]["sound"]["word"] == "sound"
        assert code == 0
    assert "recipes for train" in without["help"][1]


@pytest.mark.parametrize(("what", "package"), [("train", "accelerate"), ("table", "pyarrow")])
def test_a_command_names_the_extra_in_one_sentence(without, what, package):
    code, out, said = without[what]
    assert (code, out) == (2, "")
    assert said == (
        f"contrascope: this needs the package {package}, which is not installed. "
        "Run: pip install 'contrascope[all]'\n"
    )


@pytest.mark.parametrize(
    ("what", "package"), [("verb", "accelerate"), ("images", "pillow"), ("room", "scikit-learn")]
)
def test_a_function_names_the_extra_in_one_sentence(without, what, package):
    name, said = without[what]
    assert name == "MissingExtraError"
    assert f"needs the package {package}, which is not installed. Run: pip install 'contrascope[all]'" in said


def test_packages_that_no_extra_brings_and_broken_ones_stay_what_they_are():
    for name in ("somebody_elses", None):
        with pytest.raises(ModuleNotFoundError) as caught, named_extras():
            raise ModuleNotFoundError("no module", name=name)
        assert not isinstance(caught.value, MissingExtraError)
    with pytest.raises(ImportError, match="broken") as caught, named_extras():
        raise ImportError("broken", name="pyarrow")
    assert not isinstance(caught.value, MissingExtraError)


def test_every_package_is_declared_in_the_extra_that_the_sentence_names():
    extras = PROJECT["optional-dependencies"]
    for package, extra in EXTRAS.items():
        declared = {word.partition(">")[0].partition("[")[0] for word in extras[extra]}
        assert INSTALLED_AS.get(package, package) in declared, package
    assert extras["all"] == [f"contrascope[{','.join(WITH_ALL)}]"]
    core = {word.partition(">")[0] for word in PROJECT["dependencies"]}
    assert not core & {INSTALLED_AS.get(package, package) for package in EXTRAS}
