"""Everything that reads a file, and what may come of it: success, or one sentence and exit code 2."""

import contextlib
import html
import io
import signal
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file
from specimens import ADVISE, AUGMENTED, TRANSFER

from contrascope import records
from contrascope.advice.advise import advise
from contrascope.augment.policy_file import read_policy
from contrascope.commands.main import main
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.exports.blueprint import load_encoder
from contrascope.features.files import load_features
from contrascope.reports.card import ExportedEncoder, model_card
from contrascope.reports.load import load
from contrascope.reports.notebook import run_html
from contrascope.reports.page import render
from contrascope.reports.static_panels import NAMES, panels
from contrascope.runs.load import load_run, settings_of
from contrascope.suites.run import evaluate_suite
from contrascope.sweeps.kept import grid_of, recorded
from contrascope.terminal.sweeps import show_sweep

DRAWN = ("loss", "alignment-divergence", "spectrum", "map", "operations")
"""Figures of the run."""
LONGEST = 4000
"""Characters of a message."""
SECONDS = 60
"""After which something hangs."""
KNOWN = {
    "library": "timm",
    "code": "",
    "remark": "",
    "checked": "",
    "step": 5,
    "newest": True,
    "encoder": "x",
}
CARD = ExportedEncoder(
    **KNOWN, channels=1, size=8, resize=None, mean=(0.5,), std=(0.5,), dim=16, normalises=False
)


class HangsError(BaseException):
    """A reader that waits for good."""


class WrongError(AssertionError):
    """Something was read that is not what was written."""


def command(*words, codes=(0, 2)):
    """A command whose exit code is one of these, with one sentence where it is 2."""

    def run(folder):
        out, err = (
            io.TextIOWrapper(io.BytesIO(), "utf-8", errors=how) for how in ("strict", "backslashreplace")
        )
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([word.replace("@", str(folder)) for word in words])
            except SystemExit as end:
                code = end.code
            out.flush()
            err.flush()
        said = err.buffer.getvalue().decode("utf-8", "replace")
        if code not in codes:
            raise WrongError(f"exit code {code}: {said[-300:]}")
        if "Traceback" in said:
            raise WrongError(said[-600:])
        if code == 2 and len(said) > LONGEST + 2000:
            raise WrongError(f"{len(said)} characters of error")
        run.said = said
        return code

    run.__name__ = words[0] + "".join(word for word in words[1:] if word in ("--resume", "--more"))
    return run


def page(folder):
    """The page is written whatever is in the records."""
    command("report", "@/run", "--no-gallery", "--no-diagnosis", "--out", "@/page.html", codes=(0,))(folder)
    text = (folder / "page.html").read_text(encoding="utf-8")
    if "Settings" not in text or "</html>" not in text:
        raise WrongError("the page is not whole")
    for notice in load(folder / "run").notices:
        if notice not in html.unescape(text):
            raise WrongError(f"the page does not say: {notice}")


def old_page(folder):
    render([folder / "old"])


def advised_page(folder):
    render([folder / "advised.advice"])


def comparison(folder):
    if "One row a run" not in render([folder / "other", folder / "run"]):
        raise WrongError("no row a run")


def notebook_and_card(folder):
    run_html(folder / "run")
    model_card(load(folder / "run"), CARD)


def figures(folder):
    for name in DRAWN:
        with contextlib.suppress(InputError):
            panels(name, [folder / "run"])


def loaded(folder, expected):
    """The weights of a checkpoint of that run, whichever is taken."""
    found = load_run(folder / "run")
    same(found.method.state_dict(), expected.get(found.step))


def resumed(folder, expected):
    """A run that goes on ends at the weights at which it would have ended."""
    if for_days(folder):
        return None
    code = command("train", "@/run", "--resume", codes=(0, 1, 2))(folder)
    if code == 0:
        step, at = records.checkpoint_folders(folder / "run")[-1]
        if step == 12:
            same(load_file(at / "method.safetensors"), expected["end"])
        else:
            raise WrongError(f"ends at step {step}")
    return code


def for_days(folder):
    """Whether the settings ask for a training that no test can wait for."""
    with contextlib.suppress(InputError):
        return settings_of(folder / "run").training.epochs > 50
    return False


def same(found, expected):
    if expected is None or set(found) != set(expected):
        raise WrongError("tensors of other names")
    for name, one in found.items():
        if one.dtype != expected[name].dtype or not torch.equal(one, expected[name]):
            raise WrongError(f"{name} differs")


def robustness(folder):
    run = folder / "run"
    evaluate_suite(
        "augmented", str(run), data_of(folder), augmented=AUGMENTED, out=run, say=lambda text: None
    )


def transfer(folder):
    run, data = folder / "run", data_of(folder)
    evaluate_suite(
        "transfer", str(run), data, sets=(data.source,), transfer=TRANSFER, out=run, say=lambda text: None
    )


def data_of(folder):
    return DataSettings(source=str(SOURCE or folder / "pictures.npz"))


SOURCE: Path | None = None
"""The pictures of the specimens, which the run names."""


def reopened(folder):
    advise(data_of(folder), labels="labels", budget=0.0, out=folder / "advised.json", settings=ADVISE)


def policies(folder):
    for name in ("policy.json", "pair.json"):
        with contextlib.suppress(InputError):
            read_policy(folder / name)


def swept(folder):
    """A sweep's table, and what it would go on with."""
    record = recorded(folder / "sweep")
    show_sweep(record, folder / "sweep", page=None)
    show_sweep(record, folder / "sweep", page=None, as_json=True)
    grid_of(record)


def features(folder):
    for path in folder.glob("features.*"):
        with contextlib.suppress(InputError):
            load_features(path)


def exported(folder):
    load_encoder(folder / "export")


diagnosed = command(
    "diagnose", "@/run", "--diagnosis.images", "16", "--diagnosis.draws", "2", codes=(0, 2, 3)
)
evaluated = command("evaluate", "@/run", "@/pictures.npz")
embedded = command("embed", "@/run", "@/pictures.npz", "--out", "@/new.npz")
exporting = command("export", "@/run", "--to", "safetensors", "--out", "@/again")
listed = command("runs", "@/run")
more = command(
    *("train", "@/run", "--resume", "--training.epochs", "5", "--schedule.continuation", "stretch"),
    codes=(0, 1, 2),
)
printed = command("train", "@/run/settings.json", "--print-settings")
with_policy = command("train", "digits-simclr", "--policy", "@/policy.json", "--print-settings")
with_pair = command("train", "digits-simclr", "--policy", "@/pair.json", "--print-settings")
geometry = command("geometry", "@/run", "--images", "16", "--draws", "2", "--points", "1", "--paths", "1")
figure_of_rows = command("figure", "@/rows.json", NAMES[0], "--out", "@/rows.svg")
on_features = command("diagnose", "@/features.safetensors", codes=(0, 2, 3))

KNOWING = (loaded, resumed)
"""Those that are told the weights that may come of it."""
PAGE = (page, comparison, notebook_and_card, listed)
WHOLE = (*PAGE, printed, loaded, resumed, diagnosed, evaluated, embedded, exporting, geometry, more)
LONG = (figures, diagnosed, geometry, more)
"""Those that take a second and more."""
READ_BY = {
    "run/settings.json": (*WHOLE, robustness),
    "run/environment.json": WHOLE,
    "run/metrics.jsonl": (*PAGE, figures, resumed, exporting),
    "run/segments.json": (*PAGE, resumed, more),
    "run/best_label_free.json": (*PAGE, resumed),
    "run/evaluation.json": (*PAGE, figures, resumed, exporting),
    "run/bad_images.json": (*PAGE, exporting),
    "run/diagnosis.json": (*PAGE, figures, exporting, diagnosed),
    "run/geometry.json": (*PAGE, figures, geometry),
    "run/gallery.json": (*PAGE, figures),
    "run/evaluation-augmented.json": (*PAGE, robustness),
    "run/evaluation-transfer.json": (*PAGE, transfer),
    "run/features/*": (transfer,),
    "run/checkpoints/step-00000009/state.json": (listed, loaded, resumed, more, exporting),
    "run/checkpoints/step-00000009/method.safetensors": (loaded, resumed, diagnosed, embedded, exporting),
    "run/checkpoints/step-00000009/optimizer.safetensors": (loaded, resumed),
    "old/settings.json": (old_page,),
    "old/diagnosis.json": (old_page,),
    "old/gallery.json": (old_page,),
    "old/geometry.json": (old_page,),
    "old/evaluation-transfer.json": (old_page,),
    "advised.advice/advice.json": (advised_page, reopened),
    "advised.advice/gallery.json": (advised_page, reopened),
    "advised.advice/request.json": (advised_page, reopened),
    "advised.advice/survey.json": (advised_page, reopened),
    "advised.advice/operations/flip.json": (reopened,),
    "advised.json": (reopened,),
    "policy.json": (policies, with_policy),
    "pair.json": (policies, with_pair),
    "rows.json": (figure_of_rows,),
    "export/encoder.json": (exported,),
    "export/model.safetensors": (exported,),
    "features.safetensors": (features, on_features),
    "features.npz": (features,),
    "features.npy": (features,),
    "features.parquet": (features,),
    "sweep/sweep.json": (swept,),
}
"""Who reads each file."""


@contextlib.contextmanager
def limited():
    def stop(number, frame):
        raise HangsError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault(consumer, folder, expected):
    """What is wrong with what came of a reader: nothing for success and for an `InputError`, else a line."""
    quiet = io.StringIO()
    try:
        with limited(), contextlib.redirect_stderr(quiet):
            consumer(folder, expected) if consumer in KNOWING else consumer(folder)
    except InputError as error:
        said = str(error)
        return f"{len(said)} characters of error" if len(said) > LONGEST else ""
    except HangsError:
        return "hangs"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return f"{type(error).__name__} at {where}: {str(error)[:300]}"
    return ""
