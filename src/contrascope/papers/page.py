"""The page of a table in Markdown, from its record alone."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean

from contrascope.errors import InputError
from contrascope.papers.claims import FAILS_ONCE, HOLDS_ONCE, Claim, ClaimAnswer, answer
from contrascope.papers.deviations import deviations
from contrascope.papers.picture import clouds_svg
from contrascope.papers.table import SCALES, Cell, PanelNumber, PaperTable, Scale, Sources, TablePanel
from contrascope.papers.values import NotMeasuredError, SeedValues, by_seed, spearman, whole_seeds
from contrascope.records.sweeps import FINISHED, TableRecord
from contrascope.settings import to_json
from contrascope.sweeps.compared import seeds_mean


def page(table: PaperTable, record: TableRecord | None, scale: str = "cpu") -> str:
    """The whole page; of a table that was not begun, what it is and its command."""
    head = [f"# {table.name}: {table.title}", "", f"{table.source}.", ""]
    if record is None or not record.cells:
        begun = [*head, "**Not run yet.**", "", *_command(table, scale, 3), ""]
        for panel in table.panels:
            begun += [*panel_lines(panel, {}), ""] if _is_published(panel) else []
        return "\n".join([*begun, *_notes(table)]).rstrip() + "\n"
    seeds = by_seed(record)
    counted = counted_seeds(table, record)
    shown = {name: seeds[name] for name in counted if name in seeds}
    parts = [
        *head,
        *_state(table, record, counted),
        "",
        *_command(table, record.scale, max(1, len(seeds))),
        "",
    ]
    for panel in table.panels:
        parts += [*panel_lines(panel, shown), ""]
    if picture(table, record) is not None:
        titles = "; ".join(one.title for one in table.clouds)
        words = (
            f"{table.title}, left to right: {titles}. A point an image, a colour a class, seed {counted[0]}"
        )
        parts += [f"![{words}]({table.name}.svg)", "", f"{words}; places by t-SNE, the same images.", ""]
    parts += [*_claims(table.claims, seeds), *_deviations(table, record), *_notes(table), *_protocols(record)]
    return "\n".join(parts).rstrip() + "\n"


def picture(table: PaperTable, record: TableRecord | None) -> str | None:
    """The SVG that stands beside the page as `NAME.svg`, of its first seed; None where there is none yet."""
    if record is None or not table.clouds or not record.cells:
        return None
    seeds, counted = by_seed(record), counted_seeds(table, record)
    found = seeds.get(counted[0]) if counted else None
    return None if found is None else clouds_svg(table.clouds, found)


def counted_seeds(table: PaperTable, record: TableRecord) -> list[str]:
    """Seeds of the page's means: those that every cell has, or else the first one, as far as it is."""
    begun = {one.cell for one in record.cells if one.seed}
    whole = whole_seeds(record, [one.name for one in trained(table, record) if one.name in begun])
    return whole or list(by_seed(record))[:1]


def trained(table: PaperTable, record: TableRecord) -> list[Cell]:
    """All cells of the table at the record's scale that have a run."""
    scale: Scale | None = next((one for one in SCALES if one == record.scale), None)
    if scale is None:
        raise InputError(f"a table has scale {record.scale[:40]!r}; expected {', '.join(SCALES)}.")
    return [one for one in table.cells(scale, Sources(dry=record.dry)) if one.settings is not None]


def _state(table: PaperTable, record: TableRecord, counted: Sequence[str]) -> list[str]:
    cells = trained(table, record)
    runs = [one for one in record.cells if one.seed]
    done = {(one.cell, one.seed) for one in runs if one.state == FINISHED and one.measures}
    said = []
    if record.dry:
        said.append("**A dry run on drawn images, one step a cell: the numbers mean nothing.**")
    if runs:
        of_seed = {
            seed: sum(at == seed for _, at in done) for seed in dict.fromkeys(one.seed for one in runs)
        }
        listed = ", ".join(f"seed {seed}: {count} of {len(cells)}" for seed, count in of_seed.items())
        said.append(f"Scale `{record.scale}`. Cells that are trained and measured: {listed}.")
        last = "Last epoch; *best* is the paper's protocol: the best epoch on test images."
        said.append(
            f"Means are over seed{'s' if len(counted) != 1 else ''} {', '.join(counted) or 'none'}. {last}"
        )
        minutes = [one.minutes for one in runs if one.minutes is not None]
        if minutes:
            said.append(f"Training took {sum(minutes):.0f} minutes ({record.machine}).")
    random = {one.cell: one.measures["twin"].values["knn_random"] for one in runs if "twin" in one.measures}
    said += [f"Random weights, the encoder of {cell}: kNN {value:.1f} %." for cell, value in random.items()]
    ended = [one for one in runs if one.state in ("diverged", "alarmed", "refused", "lost")]
    said += [f"{one.cell}, seed {one.seed}: {one.state}. {one.why}".rstrip() for one in ended]
    unsound = [f"{one.cell} (seed {one.seed}: {one.sound})" for one in runs if one.sound not in ("", "sound")]
    if unsound:
        said.append(f"The monitor calls not sound: {', '.join(unsound)}.")
    return ["\n".join(said)]


def _command(table: PaperTable, scale: str, seeds: int) -> list[str]:
    return [
        "```",
        f"contrascope reproduce {table.name} --scale {scale} --seeds {seeds} --data DIR --out DIR",
        "```",
    ]


def panel_lines(panel: TablePanel, seeds: Mapping[str, SeedValues]) -> list[str]:
    """A panel as a Markdown table: one's own numbers, those of the best epoch and published ones; and a sentence."""
    places = {(row, column): panel.at(row, column) for row in panel.rows for column in panel.columns}
    best = any(found is not None and found.best is not None for found in places.values())
    published = any(found is not None and found.published is not None for found in places.values())
    kinds = ["", *(["best"] if best else []), *(["published"] if published else [])]
    heads = [f"{column}{f', {kind}' if kind else ''}" for column in panel.columns for kind in kinds]
    lines = [f"## {panel.title}", "", f"| | {' | '.join(heads)} |", "|" + " --- |" * (len(heads) + 1)]
    for row in panel.rows:
        cells: list[str] = []
        for column in panel.columns:
            cells += _cells(places[row, column], seeds, kinds, panel.digits)
        lines.append(f"| {row} | {' | '.join(cells)} |")
    sentence = comparison([found for found in places.values() if found is not None], seeds)
    return [*lines, *(["", sentence] if sentence else [])]


def _is_published(panel: TablePanel) -> bool:
    places = (panel.at(row, column) for row in panel.rows for column in panel.columns)
    return any(found is not None and found.published is not None for found in places)


def _cells(
    found: PanelNumber | None, seeds: Mapping[str, SeedValues], kinds: Sequence[str], digits: int
) -> list[str]:
    if found is None:
        return [""] * len(kinds)
    own = [one for one in (_value(found.value, seed) for seed in seeds.values()) if one is not None]
    said = {"": _mean(own, digits), "best": "-", "published": "-"}
    if found.best is not None:
        better = [one for one in (_value(found.best, seed) for seed in seeds.values()) if one is not None]
        said["best"] = _mean(better, digits)
    if found.published is not None:
        said["published"] = f"{found.published:g}"
    return [said[kind] for kind in kinds]


def _value(of: Callable[[SeedValues], float], seed: SeedValues) -> float | None:
    try:
        return of(seed)
    except NotMeasuredError:
        return None


def _mean(values: Sequence[float], digits: int) -> str:
    """A mean, and of several seeds its 95 % interval.

    >>> _mean([50.0], 1), _mean([49.0, 50.0, 51.0], 1), _mean([], 1)
    ('50.0', '50.0 (47.5 to 52.5)', '-')
    """
    found = seeds_mean(values)
    if found is None:
        return "-"
    said = f"{found.value:.{digits}f}"
    if found.low is None or found.high is None:
        return said
    return f"{said} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def comparison(numbers: Sequence[PanelNumber], seeds: Mapping[str, SeedValues]) -> str:
    """One sentence on one's own numbers beside the published ones; empty where there are fewer than three pairs."""
    pairs = []
    for found in numbers:
        own = [one for one in (_value(found.value, seed) for seed in seeds.values()) if one is not None]
        if own and found.published is not None:
            pairs.append((mean(own), found.published))
    if len(pairs) < 3:
        return ""
    ours, theirs = zip(*pairs, strict=True)
    off = [one - other for one, other in pairs]
    return (
        f"Of {len(pairs)} numbers beside a published one, ours are {min(off):+.1f} to {max(off):+.1f} points off (mean "
        f"{mean(off):+.1f}); the rank correlation of both is {spearman(ours, theirs):.2f}."
    )


def answers(claims: Sequence[Claim], seeds: Mapping[str, SeedValues]) -> list[ClaimAnswer]:
    """What the seeds say of each claim."""
    return [answer(one, seeds) for one in claims]


def _claims(claims: Sequence[Claim], seeds: Mapping[str, SeedValues]) -> list[str]:
    if not claims:
        return []
    lines = [
        "## Claims",
        "",
        "Rules were written down before the runs ([claims](claims.md)): a claim holds where the deciding number is "
        "above 0 in every seed.",
        "",
        "| | claim | answer | deciding number, by seed | seeds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in answers(claims, seeds):
        numbers = ", ".join(f"{value:.3g}" for value in one.numbers.values()) or "-"
        said = one.word if one.word in (HOLDS_ONCE, FAILS_ONCE) else f"**{one.word}**"
        said += f" ({one.why})" if one.why else ""
        lines.append(
            f"| {one.claim.key} | {one.claim.says} | {said} | {one.claim.rule}: {numbers} | {len(one.numbers)} |"
        )
    return [*lines, ""]


def _deviations(table: PaperTable, record: TableRecord) -> list[str]:
    """What the settings say of how the runs differ from the paper's."""
    if record.dry or not record.settings:
        return []
    paper = {
        one.name: to_json(one.settings) for one in table.cells("paper", Sources()) if one.settings is not None
    }
    lines = deviations(paper, record.settings)
    if not lines:
        return ["## What differs from the paper", "", "No setting that decides a number.", ""]
    return [
        "## What differs from the paper",
        "",
        "The paper's setting -> the one here:",
        "",
        *(f"- {one}" for one in lines),
        "",
    ]


def _notes(table: PaperTable) -> list[str]:
    return [*(f"- {note}" for note in table.notes), ""] if table.notes else []


def _protocols(record: TableRecord) -> list[str]:
    found = {name: entry.protocol for one in record.cells for name, entry in one.measures.items()}
    return [f"Protocols: {', '.join(f'{name} `{value}`' for name, value in found.items())}."] if found else []
