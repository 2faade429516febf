"""Import paths of version 0.1 that lead to where things are now, with a note; they go in version 0.3."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

THEORY = {
    "bounds": ("bound", "error_bounds", "embedding_bound", "divergence_bounds", "eta", "lipschitz"),
    "concentration": [
        "augmented_distance",
        "sigma",
        "cliques",
        "max_clique",
        "clique_colouring",
        "clique_curve",
        "clique_search",
        "augmentation_graph",
    ],
    "factors": [
        "alignment",
        "divergence",
        "uniformity",
        "spectrum",
        "lidar",
        "retrieval",
        "confusion",
        "variance",
        "pseudo",
        "decompose",
    ],
    "worlds": ("shift_world", "shift_truth"),
}
EXPERIMENTS = {
    "advise": "advice.advise",
    "advise_curves": "advice.curves",
    "advise_descriptors": "advice.descriptors",
    "advise_gallery": "advice.gallery",
    "advise_measure": "advice.measure",
    "advise_operations": "advice.operations augment.catalogue",
    "advise_policies": "advice.policies",
    "advise_proxies": "advice.proxies",
    "advise_settings": "advice.settings",
    "advise_show": "terminal.advice",
    "advise_state": "runs.store progress",
    "advise_survey": "advice.survey",
    "assess": "jobs.assess data.sampling",
    "augmented_parts": "suites.parts",
    "diagnose": "subjects.diagnose",
    "environment": "runs.environment",
    "evaluate_suites": "suites.run",
    "export": "jobs.export",
    "facts": "runs.facts",
    "foreign": "jobs.embed jobs.evaluate runs.load encoders.build",
    "gallery": "gallery.gallery",
    "gallery_curves": "gallery.curves",
    "gallery_map": "gallery.map linalg",
    "gallery_part": "gallery.part",
    "gallery_rows": "gallery.rows",
    "geometry": "subjects.geometry",
    "geometry_probe": "jobs.geometry_probe",
    "lightning_run": "integrations.lightning_run",
    "monitor": "jobs.monitor_probe diagnosis.monitor.rows",
    "recipes": "runs.recipes",
    "report": "gallery.complete",
    "robustness": "suites.copies",
    "run_folder": "runs.folder",
    "settings": "runs.settings",
    "show": "terminal.tables",
    "show_diagnosis": "terminal.diagnosis",
    "show_geometry": "terminal.geometry",
    "show_suites": "terminal.suites",
    "suite_augmented": "suites.robustness",
    "suite_encoder": "subjects.encoder runs.feature_store encoders.twin",
    "suite_transfer": "suites.transfer suites.transfer_set",
    "thumbnails": "data.pictures.thumbnails",
    "train": "jobs.train jobs.assess runs.load runs.build",
}
OTHERS = {
    "theory.divergence": "theory.factors.divergence theory.factors.centre_error",
    "data.digits": "data.drawn.digits",
    "data.scenes": "data.drawn.scenes",
    "data.shapes": "data.drawn.shapes",
    "data.drawing": "data.drawn.drawing",
    "cli_arguments": " ".join(
        f"commands.{name}"
        for name in ("train", "embed", "evaluate", "diagnose", "advise", "report", "export", "figure")
    ),
    "diagnosis.advisor": "advice.advisor",
    "diagnosis.rules": "diagnosis.sound diagnosis.learning diagnosis.checks.identity",
    "exports.whole": "records.inside",
    "training.lightning": "integrations.lightning",
    "methods.allowed": "imports",
    "methods.simclr": "methods.joint.simclr",
    "methods.barlow_twins": "methods.joint.barlow_twins",
    "methods.vicreg": "methods.joint.vicreg",
    "methods.moco": "methods.momentum.moco",
    "methods.byol": "methods.momentum.byol",
    "methods.simsiam": "methods.predict.simsiam",
}
MOVED: dict[str, tuple[str, ...]] = {
    **{f"experiments.{old}": tuple(new.split()) for old, new in EXPERIMENTS.items()},
    **{f"theory.{name}": (f"theory.{room}.{name}",) for room, names in THEORY.items() for name in names},
    **{old: tuple(new.split()) for old, new in OTHERS.items()},
}
"""Module of version 0.1 to the modules that hold its names now, both below `contrascope`."""
GONE = {
    "contrascope.experiments.monitor": {
        "Monitor": "jobs.monitor_probe.MonitorProbe in a run of ours, with known=Known(method=...) for method=...; "
        "contrascope.Monitor is another class, for anybody's training loop",
    },
}
"""Names of version 0.1 that nothing answers to any more: what does their work now."""


def note(old: str, homes: Sequence[str]) -> None:
    """Says where the names of an old path are now."""
    said = f"{old} is now {' and '.join(homes)}; the old path works until version 0.3."
    warnings.warn(said, FutureWarning, stacklevel=3)


def names_of(old: str, homes: Sequence[str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that looks every name up in its new homes.

    >>> names_of("contrascope.old", ["contrascope.errors", "contrascope.lazy"])("attach").__name__
    'attach'
    """

    def find(name: str) -> Any:
        if name in GONE.get(old, {}):  # as an AttributeError, `from ... import` would leave the sentence out
            raise ImportError(f"{old}.{name} is gone: its work is done by {GONE[old][name]}.")
        for home in map(importlib.import_module, homes):
            if hasattr(home, name):
                return getattr(home, name)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find


def now_a_room(package: str) -> Callable[[str], Any]:
    """`__getattr__` of a package that was a module of the same name: its old names, with the note."""
    home = f"{package}.{package.rpartition('.')[2]}"
    find = names_of(package, [home])

    def with_note(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = find(name)
        note(package, [home])
        return found

    return with_note


class Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under its old path: its names are looked up where they are now.

    >>> Moved().find_spec("contrascope.experiments.train", None).loader.__class__.__name__
    'Moved'
    """

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.removeprefix("contrascope.") not in MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        homes = [f"contrascope.{home}" for home in MOVED[spec.name.removeprefix("contrascope.")]]
        note(spec.name, homes)
        module = ModuleType(spec.name, f"Old path of {', '.join(homes)}.")
        vars(module)["__getattr__"] = names_of(spec.name, homes)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The names are found when they are asked for."""


def install() -> None:
    """Lets old paths be imported; once is enough.

    >>> install()
    >>> sum(isinstance(finder, Moved) for finder in sys.meta_path)
    1
    """
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())
