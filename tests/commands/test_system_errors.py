"""Errors of the operating system end every command in a sentence with place and cure; nothing is half-written."""

import contextlib
import ctypes
import errno
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_cases import TINY, command

from contrascope.augment import compiled
from contrascope.cli import main
from contrascope.commands.command import all_commands
from contrascope.gallery.map import _umap
from contrascope.records.inside import files_in, whole_file
from contrascope.records.metrics import MetricsLog, read_metrics

NAMES = sorted(all_commands())
FULL = Path("/dev/full")


def system(number, place="runs/a"):
    return OSError(number, os.strerror(number), place)


ERRORS = {
    "full disk": (system(errno.ENOSPC), "runs/a: No space left on device. Free some space"),
    "quota": (system(errno.EDQUOT), "runs/a: Disk quota exceeded. Free some of your quota"),
    "limit of a file": (system(errno.EFBIG), "runs/a: File too large. Raise the limit (ulimit -f)"),
    "read-only": (system(errno.EROFS), "runs/a: Read-only file system. Choose a place that can be written."),
    "no permission": (system(errno.EACCES), "runs/a: Permission denied. Change its permissions"),
    "bytes": (system(errno.EACCES, b"runs/a"), "runs/a: Permission denied."),
    "nothing there": (system(errno.ENOENT), "runs/a: No such file or directory. Check the path."),
    "open files": (system(errno.EMFILE), "Too many open files. Raise the limit of open files"),
    "stale": (system(errno.ESTALE), "Mount the network folder again."),
    "loop": (system(errno.ELOOP), "Check the place, and try again."),
    "broken disk": (OSError(errno.EIO, "Input/output error"), "Input/output error. The disk"),
    "words alone": (
        OSError("cannot reach huggingface.co\nmore"),
        "cannot reach huggingface.co. Check the file",
    ),
    "memory": (MemoryError(), "the memory is full. Give fewer"),
    "name": (UnicodeEncodeError("ascii", "é", 0, 1, "x"), "'\\xe9' cannot be written in the encoding ascii."),
    "package": (
        ImportError("libx.so: no such file", name="timm"),
        "the package timm cannot be imported (libx.so",
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ERRORS)
def test_an_error_of_the_system_ends_every_command_in_a_sentence(name, what, monkeypatch, capsys):
    error, said = ERRORS[what]

    def fails(self, words):
        raise error

    monkeypatch.setattr("contrascope.commands.command.Command.__call__", fails)
    assert main([name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("contrascope: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("shape mismatch"), AttributeError("x")])
def test_a_fault_of_ours_is_shown_whole(error, monkeypatch):
    def fails(self, words):
        raise error

    monkeypatch.setattr("contrascope.commands.command.Command.__call__", fails)
    with pytest.raises(type(error)):
        main(["runs"])


WRITERS = {
    "train": ("{run}-new", ["train", "digits-simclr", *TINY, "--training.epochs", "1", "--out", "{run}-new"]),
    "sweep": (
        "{run}-new",
        [
            "sweep",
            "digits-simclr",
            *TINY,
            "--training.epochs",
            "1",
            "--grid",
            "training.seed=0",
            "--out",
            "{run}-new",
        ],
    ),
    "advise": ("policy", ["advise", "digits", "--budget", "0", "--out", "{run}-policy.json"]),
    "diagnose": ("diagnosis.json", ["diagnose", "{run}", "--diagnosis.images", "32"]),
    "geometry": ("geometry.json", ["geometry", "{run}", "--images", "32", "--draws", "0", "--points", "4"]),
    "robustness": ("evaluation-augmented", ["robustness", "{run}"]),
    "transfer": ("evaluation-transfer", ["transfer", "{run}", "--sets", "digits@label@mean"]),
    "report": ("report.html", ["report", "{run}", "--no-gallery", "--no-diagnosis"]),
    "figure": ("loss.svg", ["figure", "{run}", "loss", "--out", "{run}/loss.svg"]),
    "embed": (
        "x.npz",
        ["embed", "{run}", "scenes", "--data.count", "16", "--data.size", "16", "--out", "{run}/x.npz"],
    ),
    "neighbours": ("neighbours", ["neighbours", "{run}", "7"]),
    "duplicates": ("duplicates", ["duplicates", "{run}"]),
    "outliers": ("outliers", ["outliers", "{run}"]),
    "clusters": ("clusters", ["clusters", "{run}"]),
    "predict": (
        "answers.csv",
        ["predict", "{run}", "--labelled", "{run}-labels.csv", "--out", "{run}-answers.csv"],
    ),
    "reproduce": ("page.md", ["reproduce", "huang-panels", "--show", "--page", "{run}-page.md"]),
    "export": ("exports", ["export", "{run}", "--to", "safetensors"]),
    "runs": ("run.lock", ["runs", "move", "{run}", "{run}-to"]),
}
"""Every command that writes: what its sentence names, and words for it."""
COMPILE = ("geometry", "duplicates")
"""Those that may be the first to use an operation on a processor."""


def test_every_command_that_writes_is_tried():
    # the one prints, the other is tried by tests/commands/test_label.py
    assert set(NAMES) - set(WRITERS) == {"evaluate", "label"}


@contextlib.contextmanager
def no_larger_than(size):
    """Files of this process may not grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def content(folder):
    return {path: path.read_bytes() for path, _ in files_in(folder) if path.suffix != ".lock"}


def filled(words, run):
    return [word.format(run=run) for word in words]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there_and_nothing_by_half(name, suite_run, tmp_path, capsys):
    run = Path(shutil.copytree(suite_run, tmp_path / "run"))
    (run / "run.lock").write_text("")
    rows = [f"{name},{'ab'[name % 2]}" for name in range(40)]
    Path(f"{run}-labels.csv").write_text("\n".join(["file,class", *rows]))
    place, words = WRITERS[name]
    if name in COMPILE:  # what numba compiles at first use it keeps beside our code
        warm = Path(shutil.copytree(run, tmp_path / "warm"))
        assert main([*filled(words, warm), "-q"]) == 0
        shutil.rmtree(warm)
        capsys.readouterr()
    before = content(tmp_path)
    with no_larger_than(0):
        assert main([*filled(words, run), "-q"]) == 2
    said = capsys.readouterr().err
    assert place.format(run=run) in said
    assert "File too large. Raise the limit (ulimit -f), or choose another place." in said
    assert said.count("\n") == 1
    assert content(tmp_path) == before
    if name == "train":
        assert not Path(f"{run}-new").exists()


@pytest.mark.parametrize("size", [30, 1_000, 4_000, 9_000])
def test_a_training_that_finds_the_disk_full_at_any_place_can_start_again(size, tmp_path, capsys):
    words = ["train", "digits-simclr", *TINY, "--training.epochs", "1", "--out", str(tmp_path / "run"), "-q"]
    with no_larger_than(size):
        assert main(words) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "run") in said or "step 3 could not be saved" in said
    assert list(tmp_path.iterdir()) == []
    assert main(words) == 0


class Gone(io.TextIOWrapper):
    """Stdout of which the other end was closed."""

    def __init__(self):
        reader, writer = os.pipe()
        os.close(reader)
        super().__init__(os.fdopen(writer, "wb"), encoding="utf-8")


@pytest.mark.parametrize(
    "words", [*([name, "--help"] for name in NAMES), *([name, "--help-all"] for name in NAMES), ["--help"]]
)
def test_an_output_that_nobody_reads_or_that_is_full_ends_without_a_traceback(words, monkeypatch, capsys):
    with Gone() as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert code_of(words) == 141
    assert capsys.readouterr().err == ""
    with FULL.open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert code_of(words) == 2
    assert capsys.readouterr().err == (
        "contrascope: the output: No space left on device. Free some space there, or choose another place.\n"
    )


def code_of(words):
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("words", [["figure", "{run}", "nothing", "--out", "x.svg"], ["runs", "{run}"]])
def test_an_error_whose_reader_went_away_keeps_its_code(words, suite_run, monkeypatch):
    with Gone() as gone:  # which closes without an error: the rest goes nowhere
        monkeypatch.setattr("sys.stderr", gone)
        assert main(filled(words, suite_run)) == (2 if words[0] == "figure" else 0)


ASCII = ("runs", "evaluate", "report", "diagnose", "train")


@pytest.mark.parametrize(
    "name", [*ASCII, *(f"{name} --help" for name in NAMES), *(f"{name} --help-all" for name in NAMES)]
)
def test_a_terminal_that_lacks_signs_gets_plainer_ones(name, suite_run, tmp_path, monkeypatch, capsys):
    run = Path(shutil.copytree(suite_run, tmp_path / "größe–σ"))
    words = {
        "runs": ["runs", str(tmp_path)],
        "report": ["report", str(run), "--no-gallery", "--no-diagnosis"],
        "evaluate": [
            "evaluate",
            str(run),
            "scenes",
            "--data.size",
            "16",
            "--data.count",
            "150",
            "--protocol.bootstrap",
            "9",
        ],
        "diagnose": ["diagnose", str(run), "--diagnosis.images", "32"],
        "train": ["train", str(run), "--print-settings"],
    }
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, encoding="ascii") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        assert code_of(words.get(name, name.split())) in (0, 3), capsys.readouterr().err
        text = buffer.getvalue().decode("ascii")
    assert text
    if name == "runs":
        assert "| " in text
        assert "+---" in text
    if name == "report":
        assert "gr\\u00f6\\u00dfe-\\u03c3" in text
    capsys.readouterr()


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_a_process_in_a_plain_locale_prints_its_table(suite_run, environment):
    process = command("runs", str(suite_run), **environment)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "| " in out


def test_head_takes_a_line_of_a_long_output(suite_run):
    shown = subprocess.run(
        f"{sys.executable} -m contrascope.cli train digits-simclr --help-all | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("usage: contrascope train")
    assert shown.stderr == ""


def without_rights():
    """Root obeys the permissions of files too: the two capabilities that pass over them are gone after exec."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


@pytest.mark.parametrize("name", ["train", "embed", "report", "runs", "export", "robustness"])
def test_a_place_without_permission_is_named_and_stays_as_it_is(name, suite_run, tmp_path):
    place = tmp_path / "place"
    run = Path(shutil.copytree(suite_run, place / "run"))
    for path in (place, *place.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = content(place)
    done = subprocess.run(
        [sys.executable, "-m", "contrascope.cli", *filled(WRITERS[name][1], run), "-q"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=without_rights,
    )
    assert done.returncode == 2, done.stderr
    assert "Permission denied. Change its permissions, or choose another place.\n" in done.stderr
    assert str(place) in done.stderr
    assert done.stderr.count("\n") == 1
    assert content(place) == before


BROKEN = {
    "an operator": 'raise RuntimeError("operator torchvision::nms does not exist")',
    "a library": 'raise OSError("libcudart.so.12: cannot open shared object file")',
    "a part": "from nowhere_at_all import x",
    "a name": 'raise AttributeError("module numpy has no attribute float")',
    "another package": "import a_part_of_it",
}


@pytest.fixture
def breaks(tmp_path, monkeypatch):
    """Puts a package that cannot be imported before the installed one."""

    def install(name, code):
        (tmp_path / "packages" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / name / "__init__.py").write_text(code + "\n")
        (tmp_path / "packages" / "a_part_of_it.py").write_text(
            'raise RuntimeError("built for another torch")\n'
        )
        for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.syspath_prepend(tmp_path / "packages")

    return install


@pytest.mark.parametrize("code", BROKEN)
@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("timm", ["evaluate", "timm:resnet18", "digits"]),
        ("transformers", ["embed", "hf:some/model", "digits", "--out", "{run}/x.npz"]),
        ("torchvision", ["diagnose", "torchvision:resnet18", "digits"]),
        ("matplotlib", ["figure", "{run}", "loss", "--out", "{run}/loss.svg"]),
        ("onnx", ["export", "{run}", "--to", "onnx"]),
    ],
)
def test_a_package_that_cannot_be_imported_ends_in_a_sentence(
    package, words, code, breaks, suite_run, tmp_path, capsys
):
    run = Path(shutil.copytree(suite_run, tmp_path / "run"))
    before = content(run)
    breaks(package, BROKEN[code])
    assert main([*filled(words, run), "-q"]) == 2
    said = capsys.readouterr().err
    assert "cannot be imported" in said
    assert said.startswith("contrascope: ")
    assert said.count("\n") == 1
    assert content(run) == before


@pytest.mark.parametrize("code", BROKEN)
def test_a_package_that_only_helps_is_done_without(code, breaks, monkeypatch, capsys):
    breaks("numba", BROKEN[code])
    breaks("umap", BROKEN[code])
    monkeypatch.delitem(sys.modules, "contrascope.augment.kernels", raising=False)
    compiled._kernels.cache_clear()
    assert compiled.kernels_for(torch.zeros(2)) is None
    assert _umap() is None
    said = capsys.readouterr().err
    assert "numba cannot be imported" in said
    assert "umap cannot be imported" in said
    compiled._kernels.cache_clear()


def test_a_later_error_of_the_cleaning_does_not_hide_the_first(tmp_path, monkeypatch):
    def write():
        with whole_file(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            monkeypatch.setattr(Path, "unlink", fails)
            raise ZeroDivisionError

    def fails(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    with pytest.raises(ZeroDivisionError):
        write()


def test_a_log_that_cannot_be_written_says_where_and_closes_in_silence(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.write({"step": 1})
    size = (tmp_path / "metrics.jsonl").stat().st_size
    with no_larger_than(size + 4), pytest.raises(OSError, match=r"File too large: .*metrics\.jsonl"):
        log.write({"step": 2})
    log.close()
    log.close()
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1]


def test_a_second_signal_while_the_first_is_told_changes_nothing(monkeypatch, capsys):
    def stopped(self, words):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("contrascope.commands.command.Command.__call__", stopped)
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(["embed"])
        assert end.value.code == 143
    assert capsys.readouterr().err.count("stopped by SIGTERM") == 2
