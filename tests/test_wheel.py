"""The wheel, in clean environments outside the checkout; and the version, which stands in three places."""

import json
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import contrascope
from contrascope.extras import install_line

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "contrascope"
CORE = {
    "contrascope",
    "scipy",
    "safetensors",
    "jaxtyping",
    "wadler_lindig",
    "tyro",
    "rich",
    "docstring_parser",
    "typeguard",
    "shtab",
    "markdown-it-py",
    "mdurl",
    "Pygments",
    "numpy",
}
"""What the core may bring beside torch and what torch itself needs."""


def test_version_citation_and_changelog_agree():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changes, flags=re.MULTILINE)
    version, date = released[0]
    assert re.search(rf"^version: {re.escape(version)}$", cited, flags=re.MULTILINE)
    assert re.search(rf"^date-released: {date}$", cited, flags=re.MULTILINE)
    here = contrascope.__version__.partition(".dev")[0]
    assert [int(part) for part in here.split(".")] >= [int(part) for part in version.split(".")]
    assert changes.count("\n## Unreleased\n") == 1
    assert changes.index("\n## Unreleased\n") < changes.index(f"\n## {version} - ")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, as its build backend makes it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(build, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The Python of an environment that holds torch and what torch needs; torch is linked and not fetched again."""
    home = tmp_path_factory.mktemp("clean") / "env"
    venv.create(home)
    packages = next(home.glob("lib/python3*/site-packages"))
    theirs = Path(torch.__file__).parents[1]
    parts = ("torch", "torchgen", "functorch", *(one.name for one in theirs.glob("torch-*.dist-info")))
    for part in parts:
        (packages / part).symlink_to(theirs / part)
    python = home / "bin" / "python"
    subprocess.run([*install(python), "torch"], check=True)
    return python


def install(python):
    return [*pip(python), "install", "--quiet", "--no-compile", "-c", ROOT / "constraints.txt"]


def pip(python):
    return [sys.executable, "-m", "pip", "--python", python]


def names_in(python):
    listed = subprocess.run([*pip(python), "list", "--format=json"], capture_output=True, check=True)
    return {one["name"] for one in json.loads(listed.stdout)}


def typed(python, folder, *words):
    """A command as a user types it in an empty folder: nothing of the checkout is on its paths."""
    done = subprocess.run(
        [python.with_name(words[0]), *words[1:]],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        held = {Path(name) for name in file.namelist()}
    ours = {path.relative_to(ROOT / "src") for path in PACKAGE.rglob("*") if path.is_file()}
    ours = {path for path in ours if "__pycache__" not in path.parts}
    assert ours - held == set()
    assert any(path.suffix == ".html" for path in ours)
    about = f"contrascope-{contrascope.__version__}.dist-info"
    assert {path.parts[0] for path in held} == {"contrascope", about}
    assert Path(about, "licenses", "LICENSE") in held


@pytest.mark.slow
def test_a_source_archive_builds_the_same_wheel(wheel, tmp_path):
    backend = "import hatchling.build, sys; hatchling.build.build_sdist(sys.argv[1])"
    made = venv_with_backend(tmp_path / "backend")
    subprocess.run([made, "-c", backend, tmp_path], check=True, cwd=ROOT, capture_output=True)
    archive = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(archive) as file:
        names = {Path(*Path(name).parts[1:]).as_posix() for name in file.getnames()}
    assert {"CITATION.cff", "constraints.txt", "docs/start.md", "docs/diagnosis.schema.json"} <= names
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, archive]
    subprocess.run(build, check=True)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())


def venv_with_backend(home):
    venv.create(home)
    subprocess.run([*install(home / "bin" / "python"), "hatchling"], check=True)
    return home / "bin" / "python"


@pytest.mark.slow
def test_the_wheel_works_alone_and_then_with_the_line_that_it_tells(wheel, clean, tmp_path):
    """pip resolves and installs what the wheel declares; then the sentence of the core is typed as it stands."""
    torch_needs = names_in(clean)
    subprocess.run([*install(clean), wheel], check=True)
    assert names_in(clean) - torch_needs <= CORE
    np.save(tmp_path / "h.npy", np.random.default_rng(0).normal(size=(1000, 64)))
    assert typed(clean, tmp_path, "contrascope", "--version") == f"contrascope {contrascope.__version__}\n"
    found = json.loads(typed(clean, tmp_path, "contrascope", "diagnose", "h.npy", "--json"))
    assert found["verdict"]["sound"]["word"] == "sound"
    code = (
        "import numpy, contrascope; print(contrascope.diagnose(numpy.load('h.npy'), draws=0).verdict.sound)"
    )
    assert typed(clean, tmp_path, "python", "-I", "-c", code) == "sound\n"

    line = install_line("all").split()
    assert line[:2] == ["pip", "install"]
    subprocess.run([*install(clean), *(word.strip("'") for word in line[2:])], check=True)
    few = ("--training.epochs", "1", "--out", "run")
    assert "random encoder" in typed(clean, tmp_path, "contrascope", "train", "digits-simclr", *few)
    typed(clean, tmp_path, "contrascope", "report", "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Is it sound?" in page
    assert "plotly" in page.lower()
