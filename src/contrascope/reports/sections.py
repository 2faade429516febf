"""The one table of the page: which figure functions make which section, in order.

A new kind of record needs one function from `RunRecords` to a block, named here, and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contrascope.reports import (
    advice,
    answers,
    bounds,
    curves,
    curves_of_views,
    geometry,
    geometry_facts,
    imagery,
    measured,
    points,
    settings_view,
    suites,
)
from contrascope.reports.blocks import Block, Copy, Figure, Strips, Table
from contrascope.reports.continued import forgetting
from contrascope.reports.headline import numbers as headline
from contrascope.reports.headline import steps
from contrascope.reports.headline.parts import Steps
from contrascope.reports.load import RunRecords
from contrascope.reports.sentences import texts

FigureFunction = Callable[[RunRecords], Block | Sequence[Block] | None]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what makes its content."""

    key: str
    title: str
    functions: tuple[FigureFunction, ...]
    empty: str
    """Said where no function finds anything: what is missing and how to get it. Nothing: the section is left out."""
    line: Callable[[RunRecords], str] | None = None
    """What the section says in one line; with it the section is folded behind that line."""
    filtered: bool = False
    """Whether its pictures can be filtered by class or cluster."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A section with its blocks."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    line: str = ""
    """What stands on the fold; empty: not folded."""
    filtered: bool = False

    @property
    def placed(self) -> list[tuple[int, Block]]:
        """Blocks with the columns of the grid, of twelve, that each takes."""
        return placed(self.blocks)


SECTIONS = (
    Section(
        key="verdict",
        title="Verdict",
        functions=(
            answers.judgement,
            forgetting.beside_start,
            headline.numbers,
            imagery.alike,
            steps.next_steps,
        ),
        empty="Nothing was measured.",
    ),
    Section(
        key="images",
        title="What the encoder sees",
        functions=(
            imagery.shortcut,
            imagery.neighbours,
            imagery.views,
            imagery.worst,
            imagery.best,
            *texts.SHOWN,
        ),
        empty="No pictures: gallery.json is missing. Where the images are at hand: contrascope report RUN",
        filtered=True,
    ),
    Section(
        key="training",
        title="Training",
        functions=(
            curves.followed("loss"),
            curves.followed("learning"),
            curves.followed("alignment"),
            curves.followed("spread"),
            curves.followed("ranks"),
            curves.followed("method"),
            curves.alarms,
            settings_view.bad_images,
        ),
        empty="No curves: metrics.jsonl is missing or empty.",
    ),
    Section(
        key="map",
        title="Map",
        functions=(points.points,),
        empty="No map: gallery.json is missing. Where the images are at hand: contrascope report RUN",
    ),
    Section(
        key="measured",
        title="What was measured",
        functions=(
            measured.accuracy,
            measured.signal_shares,
            measured.learning,
            measured.faults,
            measured.signals,
            measured.ranks,
        ),
        empty="Nothing was measured: no evaluation.json, no diagnosis.json.",
    ),
    Section(
        key="suites",
        title="Robustness and transfer",
        functions=(suites.robustness, suites.transfer, texts.scores),
        empty="",
        line=suites.suites_line,
    ),
    Section(
        key="advice",
        title="Augmentation advice",
        functions=(advice.images, advice.operations, advice.ranking, advice.pictures),
        empty="",
        line=advice.advice_line,
    ),
    Section(
        key="theory",
        title="Theory",
        functions=(
            curves_of_views.r_epsilon,
            curves_of_views.concentration,
            curves.followed("divergence"),
            measured.divergence,
            bounds.bounds,
            bounds.terms,
            measured.details,
        ),
        empty="No bounds, no R_eps: they come with diagnosis.json and gallery.json. Write them with: "
        "contrascope diagnose RUN, contrascope report RUN",
        line=bounds.theory_line,
    ),
    Section(
        key="geometry",
        title="Geometry",
        functions=(
            geometry.operations,
            geometry.removed,
            geometry_facts.negatives,
            geometry_facts.facts,
            geometry_facts.spectrum,
            curves_of_views.spectra,
            curves.followed("bound"),
            curves.followed("projector"),
            curves.followed("removed"),
        ),
        empty="No spectra: they come with geometry.json (contrascope geometry RUN) and gallery.json.",
        line=geometry_facts.geometry_line,
    ),
    Section(
        key="settings",
        title="Settings and machine",
        functions=(
            settings_view.facts,
            settings_view.repeat,
            settings_view.as_json,
            settings_view.every_setting,
            settings_view.machine,
            curves.followed("rate"),
            curves.followed("throughput"),
            curves.everything_else,
        ),
        empty="No settings: settings.json is missing or damaged.",
        line=settings_view.settings_line,
    ),
)

WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)
"""What a record of an unexpected form raises."""


def fill(section: Section, run: RunRecords) -> Filled:
    """The section of one run; a record of an unexpected form costs its figure, not the page."""
    line = "" if section.line is None or run.advised else _line(section, run)
    filled = Filled(key=section.key, title=section.title, line=line, filtered=section.filtered)
    for function in section.functions:
        found, notice = guarded(function, run)
        filled.blocks.extend(blocks_of(found))
        filled.notices.extend([notice] if notice else [])
    if not filled.blocks and section.empty:
        filled.notices.append(section.empty)
    return filled


def _line(section: Section, run: RunRecords) -> str:
    """The line of a fold; its title where the records do not allow one."""
    assert section.line is not None
    try:
        return section.line(run) or section.title
    except WRONG:
        return section.title


def placed(blocks: Sequence[Block]) -> list[tuple[int, Block]]:
    """Blocks with their columns of twelve: two halves share a row, and a half without a neighbour takes it whole."""
    spans = [_columns(block) for block in blocks]
    start = 0
    for place, columns in enumerate(spans):
        if start + columns > 12:
            spans[place - 1] += 12 - start
            start = 0
        start = (start + columns) % 12
    if start:
        spans[-1] += 12 - start
    return list(zip(spans, blocks, strict=True))


def _columns(block: Block) -> int:
    if isinstance(block, Steps):
        return 4
    if isinstance(block, Strips):
        return 8 if block.narrow else 12
    if isinstance(block, Copy):
        return 6
    if isinstance(block, Figure):
        return 12 if block.wide else 6
    if isinstance(block, Table):
        longest = max((sum(map(len, row)) for row in (block.head, *block.rows)), default=0)
        return 6 if len(block.head) <= 4 and longest <= (110 if len(block.head) == 2 else 70) else 12
    return 12


def blocks_of(found: Block | Sequence[Block] | None) -> list[Block]:
    """What a figure function made, as a list."""
    if found is None:
        return []
    return list(found) if isinstance(found, Sequence) else [found]


def guarded(function: FigureFunction, run: RunRecords) -> tuple[Block | Sequence[Block] | None, str]:
    """A figure function's block, or a sentence on why there is none."""
    try:
        return function(run), ""
    except WRONG as error:
        name = function.__name__.replace("_", " ")
        return (
            None,
            f"“{name}” was left out: a record has an unexpected form ({type(error).__name__}: {error}).",
        )
