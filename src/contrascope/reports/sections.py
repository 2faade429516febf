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
    settings_view,
    suites,
)
from contrascope.reports.blocks import Block
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


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A section with its blocks."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


SECTIONS = (
    Section(
        key="verdict",
        title="Verdict",
        functions=(
            answers.judgement,
            settings_view.facts,
            measured.accuracy,
            measured.learning,
            measured.signal_shares,
            measured.signals,
            measured.faults,
        ),
        empty="Nothing was measured.",
    ),
    Section(
        key="images",
        title="What the encoder sees",
        functions=(
            imagery.shortcut,
            imagery.views,
            imagery.worst,
            imagery.best,
            imagery.neighbours,
            *texts.SHOWN,
        ),
        empty="No pictures: gallery.json is missing. Where the images are at hand: contrascope report RUN",
    ),
    Section(
        key="factors",
        title="Three factors",
        functions=(
            curves.followed("alignment"),
            curves.followed("spread"),
            curves.followed("divergence"),
            curves.followed("learning"),
            curves_of_views.r_epsilon,
            curves_of_views.concentration,
            measured.divergence,
            measured.details,
        ),
        empty="Alignment and divergence were not measured: no probe rows in metrics.jsonl, no diagnosis.json.",
    ),
    Section(
        key="bounds",
        title="Bounds",
        functions=(bounds.bounds,),
        empty="No bounds: they come with diagnosis.json. Write it with: contrascope diagnose RUN",
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
            curves.followed("bound"),
            curves.followed("projector"),
            curves.followed("removed"),
            curves_of_views.spectra,
            curves.followed("ranks"),
            measured.ranks,
        ),
        empty="No spectra or ranks: they come with geometry.json (contrascope geometry RUN), gallery.json, "
        "probe rows and diagnosis.json.",
    ),
    Section(
        key="suites",
        title="Robustness and transfer",
        functions=(suites.robustness, suites.transfer, texts.scores),
        empty="",
    ),
    Section(
        key="advice",
        title="Augmentation advice",
        functions=(advice.images, advice.operations, advice.ranking, advice.pictures),
        empty="",
    ),
    Section(
        key="map",
        title="Map",
        functions=(imagery.points,),
        empty="No map: gallery.json is missing. Where the images are at hand: contrascope report RUN",
    ),
    Section(
        key="training",
        title="Training",
        functions=(
            curves.followed("loss"),
            curves.followed("rate"),
            curves.followed("method"),
            curves.followed("throughput"),
            curves.alarms,
            curves.everything_else,
            settings_view.bad_images,
        ),
        empty="No curves: metrics.jsonl is missing or empty.",
    ),
    Section(
        key="settings",
        title="Settings",
        functions=(
            settings_view.repeat,
            settings_view.every_setting,
            settings_view.machine,
            settings_view.as_json,
        ),
        empty="No settings: settings.json is missing or damaged.",
    ),
)

WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)
"""What a record of an unexpected form raises."""


def fill(section: Section, run: RunRecords) -> Filled:
    """The section of one run; a record of an unexpected form costs its figure, not the page."""
    filled = Filled(key=section.key, title=section.title)
    for function in section.functions:
        found, notice = guarded(function, run)
        filled.blocks.extend(blocks_of(found))
        filled.notices.extend([notice] if notice else [])
    if not filled.blocks and section.empty:
        filled.notices.append(section.empty)
    return filled


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
