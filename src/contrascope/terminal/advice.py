"""Advice as text for a terminal."""

import json

from rich.table import Table

from contrascope.advice.advise import RECORD, Advice
from contrascope.advice.policies import words_of
from contrascope.advice.survey import Survey
from contrascope.intervals import Estimate
from contrascope.records import finite
from contrascope.settings import to_json
from contrascope.terminal.tables import table_text

WIDTH = 110


def show_advice(advice: Advice, *, as_json: bool) -> str:
    """The survey, a word on each operation, the ranking, and how to use the best; or all numbers as JSON."""
    if as_json:
        return json.dumps(finite(to_json(advice)), indent=2) + "\n"
    parts = [
        f"{advice.data}: {_images(advice.survey)}\n",
        _verdicts(advice),
        _ranking(advice),
        _closing(advice),
    ]
    return "\n".join(parts)


def _images(found: Survey) -> str:
    size = f"{found.width} x {found.height} px, {found.channels} channel{'s' if found.channels > 1 else ''}"
    lines = [
        f"{found.images} images, {size}; {found.sampled} looked at, shorter side {found.side} px",
        f"  colour: in {_share(found.coloured)} of the images",
        f"  left and right: {_share(found.handed)} told from their mirror images (50 % is chance)",
        f"  near-duplicates: {_share(found.copies)} of the images have one in the sample",
    ]
    if found.known is not None:
        of = f"the {found.classes} classes" if found.classes else f"{found.hue_groups} groups of hue"
        lines.append(
            f"  {of}: of an image's nearest others {_share(found.known)} are of its own ({found.description}; "
            f"chance {100 * found.chance:.0f} %)"
        )
    if found.hue_groups:
        lines.append(
            f"  WARNING: the hues fall into {found.hue_groups} separate groups. If colour is what tells your "
            "images apart, colour distortion and dropping erase it."
        )
    return "\n".join(lines)


def _verdicts(advice: Advice) -> str:
    table = Table(title="operations")
    for title in ("", "verdict", "use up to", "why"):
        table.add_column(title)
    for verdict in advice.verdicts:
        strength = "-" if verdict.strength is None else f"{verdict.strength:g}"
        table.add_row(verdict.name, verdict.word, strength, verdict.reason)
    return table_text(table, width=WIDTH)


def _ranking(advice: Advice) -> str:
    table = Table(title="policies, best first")
    for title in ("", "policy", "operations", "why"):
        table.add_column(title)
    ops = {one.name: one.ops for one in advice.policies}
    for row in advice.ranking:
        table.add_row(str(row.place), row.name, words_of(ops[row.name]), row.reason)
    return table_text(table, width=WIDTH)


def _closing(advice: Advice) -> str:
    if advice.plan.rounds:
        rounds = ", then ".join(f"{count} for {epochs} epochs" for count, epochs in advice.plan.rounds)
        how = f"Ranked by short trainings: {rounds}."
    else:
        how = (
            "Ranked without training, by the distances of views alone; a larger budget, such as --budget 10m, "
            "affords short trainings."
        )
    if not advice.complete:
        how += " Not all of them are done; the same command goes on."
    kept = advice.policy.removesuffix(".json")
    return (
        f"{how}\nThe best policy is in {advice.policy}; train with it: "
        f"contrascope train RECIPE --policy {advice.policy}\nEvery number is in {kept}.advice/{RECORD}.\n"
    )


def _share(value: Estimate) -> str:
    return f"{100 * value.value:.0f} % ({100 * value.low:.0f} to {100 * value.high:.0f})"
