"""Opens hostile folders with every command and verb, in a process of its own that watches what happens.

Called as `python hostile_opener.py BASE`; BASE/run is a whole run, BASE/path is on `sys.path` and holds the package
`burglar`, whose import is what must not happen. Prints a JSON list, a case an entry.
"""

import contextlib
import inspect
import io
import json
import os
import shutil
import sys
from dataclasses import fields
from pathlib import Path

BURGLAR = "burglar:Thing"
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.spawn", "os.posix_spawn")
OURS = ("git", "uname", "fc-list")
"""What a run that begins asks of this machine, for its record, and matplotlib, for its fonts."""
WORKER = [sys.executable, "-m", "contrascope.sweeps.worker"]
"""A trial of a sweep: what it imports shows by what the burglar's package does, also in a process of its own."""
LINKS = ("os.symlink", "os.link")
WRITES = ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.rename", "shutil.rmtree")
CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

DRAWN = ["--data.size", "16", "--data.count", "96"]
SMALL = {
    "diagnose": ["--diagnosis.images", "32", "--diagnosis.views", "2", "--diagnosis.draws", "0"],
    "geometry": ["--images", "32", "--directions", "2", "--points", "2", "--paths", "2", "--draws", "0"],
    "robustness": [
        "--corruptions",
        "noise",
        "--severities",
        "1",
        "--train-images",
        "32",
        "--no-references",
        *DRAWN,
    ],
    "transfer": ["--modes", "few_labels", "--train-images", "40", "--test-images", "40", "--no-references"],
    "evaluate": DRAWN,
    "embed": DRAWN,
    "report": ["--points", "32"],
    "reproduce": ["--show"],
    "sweep": ["--grid", "training.seed=0", "--restarts", "0"],
}
"""What makes a command quick; one without an entry is called as it is."""
FOLDER = "{run}"
PLACES = {
    "RUN": FOLDER,
    "RUN...": FOLDER,
    "RUN_OR_ENCODER": FOLDER,
    "RUN_OR_ENCODER_OR_FILE": FOLDER,
    "[FOLDER]": FOLDER,
    "SETTINGS.json": "{run}/settings.json",
    "SWEEP": None,
    "DATA": "scenes",
    "[DATA]": None,
    "[TABLE]": "huang-panels",
    "NAME": "loss",
    "FILE": "{out}",
    "FORMAT": "csv",
    "SET": "scenes",
    "...": None,
    "RECIPE": None,
    "QUERY": "7",
    "CSV": "labels.csv",
}
"""What stands for a word of a command's usage; a word that is not here has to be given its meaning for this test.

A stranger's folder of a sweep is opened in commands/test_sweep.py and sweeps/test_run.py.
"""
OUT = {"figure": "figure.svg", "embed": "h.npy", "report": "page.html", "export": "rows.csv"}


def words_of(command):
    """Every way to open the folder with a command, from its usage: lists of words."""
    found = [[command.name]]
    for word in command.words.split():
        ways = [PLACES[part] for part in word.split("|")] if not word.startswith("--") else [word]
        found = [
            [*start, *([way] if way else [])] for start in found for way in (ways if any(ways) else [None])
        ]
    found = [words for words in found if len(words) > 1]
    if command.words.split()[0] == "DATA":  # it takes no run: the folder stands for its images
        found = [[*words[:1], FOLDER, *words[2:]] for words in found]
    more = [*SMALL.get(command.name, []), "--quiet"]
    if command.name == "train":
        longer = ["--resume", "--training.epochs", "3"]
        return [[*words, *more, *(longer if FOLDER in words else ["--out", "{out}"])] for words in found]
    wanted = {field.name for field in fields(command.arguments)}
    out = ["--out", "{out}"] if "out" in wanted and "{out}" not in found[0] else []
    return [[*words, *out, *more] for words in found]


def commands():
    """Name to lists of words, of every registered command."""
    from contrascope.commands.command import all_commands

    return {name: words_of(command) for name, command in all_commands().items()}


def verbs():
    """Every public function that can open a run, as a call with the folder."""
    import contrascope
    from contrascope.curation import verbs as curation
    from contrascope.diagnosis.settings import DiagnosisSettings
    from contrascope.runs.load import settings_of
    from contrascope.verbs import VERBS

    few = DiagnosisSettings(images=32, views=2, draws=0)
    calls = {
        "train": lambda run, out: contrascope.train("scenes", settings_of(run), out=run, resume=True),
        "embed": lambda run, out: contrascope.embed(run),
        "evaluate": lambda run, out: contrascope.evaluate(run),
        "diagnose": lambda run, out: contrascope.diagnose(str(run), settings=few),
        "advise": lambda run, out: contrascope.advise(run, budget=0, out=out),
        "report": lambda run, out: contrascope.report(run, out / "page.html", points=32),
        "export": lambda run, out: contrascope.export(run, "csv", out=out / "rows.csv"),
        "open_run": lambda run, out: contrascope.open_run(run),
        "neighbours": lambda run, out: contrascope.neighbours(run, "7", k=3),
        "duplicates": lambda run, out: contrascope.duplicates(run),
        "outliers": lambda run, out: contrascope.outliers(run),
        "clusters": lambda run, out: contrascope.clusters(run, k=3),
        "predict": lambda run, out: contrascope.predict(run, "labels.csv"),
    }
    asked = {
        name
        for name, found in vars(curation).items()
        if inspect.isfunction(found) and found.__module__ == curation.__name__ and name[0] != "_"
    }
    assert set(calls) == set(VERBS) | asked | {"open_run"}, "a new verb opens runs: say here how it is called"
    return calls


def leaves(tree, path=()):
    """Path and value of every string in a tree of JSON, and of every empty list."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, (dict, list)) and value:
            yield from leaves(value, (*path, key))
        elif isinstance(value, str) or value == [] or value is None:
            yield (*path, key), value


def with_leaf(path, value):
    def change(run):
        file = run / "settings.json"
        tree = json.loads(file.read_text())
        place = tree
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        file.write_text(json.dumps(tree))

    return change


def hostile_records(run):
    """Every record, known or found, has a path as its kind and in a field."""
    from contrascope.records.entry import Entry

    kinds = [Entry]
    for kind in kinds:
        kinds += kind.__subclasses__()
    names = {getattr(kind, "FILE", "") for kind in kinds} - {""}
    found = {run / name for name in names} | {*run.rglob("*.json")} - {run / "settings.json"}
    for file in found:
        tree = json.loads(file.read_text()) if file.exists() else {"format": 1}
        if isinstance(tree, dict):
            file.write_text(json.dumps({**tree, "kind": BURGLAR, "settings": {"encoder": {"name": BURGLAR}}}))
    rows = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*rows, json.dumps({"kind": BURGLAR, "step": 9})]) + "\n")


def linked(run):
    """Settings, records and a checkpoint lie outside, and links lead there."""
    outside = run.parent / "outside"
    for name in ("settings.json", "evaluation.json"):
        shutil.copy(run / name, outside / name)
        (run / name).unlink()
        (run / name).symlink_to(outside / name)
    checkpoint = sorted((run / "checkpoints").iterdir())[-1]
    shutil.copytree(checkpoint, outside / checkpoint.name)
    shutil.rmtree(checkpoint)
    checkpoint.symlink_to(outside / checkpoint.name)


IMPORTED = {
    "encoder.name": ("encoder", "name"),
    "method.kind": ("method", "kind"),
    "method.loss": ("method", "loss"),
    "training.trackers": ("training", "trackers"),
    "data.source": ("data", "source"),
    "policy.name": ("policy", "name"),
}
"""Fields that name code or a place."""
WITHOUT_NETWORKS = ("training.trackers", "policy.name")
"""Those of them that only few openers look at; the others are opened by everything."""
FEW = ("diagnose", "report", "train", "contrascope.train")
OTHER_CODE = ("sys:exit", "subprocess:Popen", "torch.distributed.run:main", "builtins:exec", "os:path.join")


def changes():
    """Name to what makes a run hostile, and whether everything opens it or a few commands alone."""
    found = {}
    for name, path in IMPORTED.items():
        listed = name == "training.trackers"
        found[name] = (with_leaf(path, [BURGLAR] if listed else BURGLAR), name not in WITHOUT_NETWORKS)
    found["records"] = (hostile_records, True)
    found["links"] = (linked, True)
    for code in OTHER_CODE:
        found[f"encoder.name={code}"] = (with_leaf(IMPORTED["encoder.name"], code), False)
    return found


class Watch:
    """What happened while it was armed; the hook itself cannot be taken off."""

    def __init__(self, base):
        self.base, self.armed, self.may, self.seen = base, False, (), []
        sys.addaudithook(self)

    def __call__(self, event, args):
        if not self.armed:
            return
        if event == "import" and args[0].partition(".")[0] == "burglar":
            self.seen.append(f"import {args[0]}")
        elif event in STARTS and (args[0] in OURS or (event == STARTS[0] and list(args[1])[:3] == WORKER)):
            return
        elif event in STARTS + LINKS:
            self.seen.append(f"{event} {args[0]!r}")
        elif event in WRITES or (event == "open" and isinstance(args[2], int) and args[2] & CHANGES):
            for path in args[:2] if event == "os.rename" else args[:1]:
                self.write(event, path)

    def write(self, event, path):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        real = os.path.realpath(os.fsdecode(path))
        if "__pycache__" not in real and not any(
            real == place or real.startswith(f"{place}/") for place in self.may
        ):
            self.seen.append(f"{event} {real}")


def tree_of(folder):
    """Every file below a folder with its content, whoever wrote it."""
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def opened(base, watch, change, call):
    """Makes the folder hostile, calls, and says what came and what happened."""
    run, out, outside = base / "hostile", base / "out", base / "outside"
    for folder in (run, out, outside):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base / "run", run)
    out.mkdir()
    outside.mkdir()
    change(run)
    before = tree_of(outside)
    watch.may, watch.seen = [str(run), str(out), str(base / "home"), "/dev/null"], []
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(said):
        watch.armed = True
        try:
            code = call(run, out)
            code = code if isinstance(code, int) else type(code).__name__
        except SystemExit as end:
            code = f"SystemExit {end.code}"
        except Exception as error:  # what a command raises is what is asked
            code = f"{type(error).__name__}: {error}"
        finally:
            watch.armed = False
    happened = list(watch.seen)
    if tree_of(outside) != before:
        happened.append("a file outside has changed")
    if "burglar" in sys.modules:
        happened.append("burglar was imported")
        del sys.modules["burglar"]
    return {"code": code, "said": told.getvalue(), "happened": happened}


def main(base):
    os.chdir(base / "home")
    rows = [f"{place},{'even' if place % 2 == 0 else 'odd'}" for place in range(20)]
    (base / "home" / "labels.csv").write_text("\n".join(["file,class", *rows]) + "\n")
    from contrascope.cli import main as command_line
    from contrascope.commands.command import all_commands

    def commanded(words):
        def call(run, out):
            file = out / OUT.get(words[0], "out")
            return command_line([word.format(run=run, out=file) for word in words])

        return call

    tree = json.loads((base / "run" / "settings.json").read_text())
    tried = {
        path: value for path, value in leaves(tree) if path not in IMPORTED.values() and path != ("kind",)
    }
    everything = {name: [commanded(words) for words in ways] for name, ways in commands().items()}
    everything |= {f"contrascope.{name}": [call] for name, call in verbs().items()}
    cases = [
        (name, opener, change, call)
        for name, (change, whole) in changes().items()
        for opener, calls in everything.items()
        if whole or opener in FEW
        for call in calls
    ]
    cases += [
        (".".join(map(str, path)), opener, with_leaf(path, [BURGLAR] if value == [] else BURGLAR), call)
        for path, value in tried.items()
        for opener in ("contrascope.open_run",)
        for call in everything[opener]
    ]
    policy = base / "policy.json"
    policy.write_text(json.dumps({"kind": BURGLAR, "name": "simclr", "ops": [{"kind": BURGLAR}]}))
    cases += [
        ("policy file", name, lambda run: None, commanded([*ways[-1], "--policy", str(policy)]))
        for name, ways in commands().items()
        if any(one.name == "policy" for one in fields(all_commands()[name].arguments))
    ]
    watch = Watch(base)
    found = []
    for name, opener, change, call in [
        ("nothing", "diagnose", lambda run: None, everything["diagnose"][0]),
        *cases,
    ]:
        found.append({"field": name, "opener": opener, **opened(base, watch, change, call)})
    sys.__stdout__.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
