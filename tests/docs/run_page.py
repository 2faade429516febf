"""Runs the Python of one page, top to bottom, in one namespace, as a process of its own: `python run_page.py PAGE`.

What stands on a page, in its order:

- a block that begins with ```python runs; one whose first line begins with `>>>` is a doctest;
- `<!-- run:` ... `-->` is Python that the reader does not see: what a block needs, or what must hold after it;
- `<!-- not run: needs ... -->` right before a block: it does not run, and says what it needs.

The namespace has `tiny_run(folder)`, which trains a run in seconds.
"""

import doctest
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PART = re.compile(
    r"^<!-- run:\n(?P<hidden>.*?)^-->$|(?:^<!-- not run: (?P<why>[^\n]*?) -->\n)?^```python\n(?P<block>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of Python on a page."""

    code: str
    line: int
    shown: bool
    """Whether the reader sees it."""
    why_not: str = ""
    """What it needs that a test has not; empty: it runs."""


def parts_of(text):
    """Every piece of Python of a page, in its order."""
    for found in PART.finditer(text):
        name = "hidden" if found["block"] is None else "block"
        line = text.count("\n", 0, found.start(name)) + 1
        yield Part(code=found[name], line=line, shown=name == "block", why_not=found["why"] or "")


def is_doctest(part):
    return part.code.lstrip().startswith(">>>")


def execute(part, page, names):
    """Raises what the code raises; a doctest that prints something else is an `AssertionError`."""
    if not is_doctest(part):
        exec(compile("\n" * (part.line - 1) + part.code, page, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(part.code, names, page, page, part.line - 1)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, clear_globs=False)
    names.update(test.globs)
    assert runner.failures == 0, f"{page}:{part.line}: {runner.failures} examples print something else"


def tiny_run(folder):
    """A run of one epoch on drawn scenes of 16 pixels."""
    from contrascope.data.settings import DataSettings
    from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
    from contrascope.evaluation.protocol import Protocol
    from contrascope.jobs.train import train
    from contrascope.methods.joint.simclr_settings import SimCLRSettings
    from contrascope.runs.settings import RunSettings
    from contrascope.training.settings import TrainingSettings

    settings = RunSettings(
        data=DataSettings(source="scenes", size=16, count=150),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=32, threads=1),
        protocol=Protocol(k=5, probe_grid=(0.01,), probes=("linear",)),
    )
    train(settings, Path(folder))


def main(page):
    import torch

    from contrascope.machine.torchvision_operators import complete_torchvision

    complete_torchvision()
    torch.manual_seed(0)
    sys.path.insert(0, "")
    names = {"__name__": "page", "tiny_run": tiny_run}
    for part in parts_of(Path(page).read_text(encoding="utf-8")):
        if not part.why_not:
            execute(part, page, names)


if __name__ == "__main__":
    main(sys.argv[1])
