"""Parts of advice.json, for the page and for a terminal: the images, a word on each operation, the ranking, views."""

from pathlib import PurePath

from contrascope.records.advice import AdviceRecord
from contrascope.records.kinds import EstimateEntry
from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import OPERATION_WORDS
from contrascope.reports.blocks import Facts, Strip, Strips, Table, interval, percent, short
from contrascope.reports.imagery import tile_of
from contrascope.reports.load import RunRecords, estimate


def images(run: RunRecords) -> Facts | None:
    """What the images are like."""
    pairs = survey_pairs(run.advice)
    return Facts(title=f"The images: {run.advice.data}", pairs=pairs) if pairs else None


def operations(run: RunRecords) -> Table | None:
    """A word on each operation."""
    return operation_table(run.advice) if run.advice.verdicts else None


def ranking(run: RunRecords) -> Table | None:
    """The policies, best first."""
    return ranking_table(run.advice) if run.advice.ranking else None


def pictures(run: RunRecords) -> list[Strips]:
    """Images with the views that the best policies make."""
    shown = run.policies
    found = []
    for policy in shown.policies:
        rows = []
        for place, (tile, views) in enumerate(zip(shown.images, policy.rows, strict=False), start=1):
            name = shown.names[place - 1] if place <= len(shown.names) else f"image {place}"
            tiles = [tile_of(run, tile, name, caption="image")]
            tiles += [
                tile_of(run, view, f"view {k} of {name}", caption=f"view {k}")
                for k, view in enumerate(views, start=1)
            ]
            rows.append(Strip(heading=name, tiles=tiles))
        found.append(
            Strips(
                title=f"Views under {policy.name}",
                read=f"The first picture of a row is the image, the others are its views: {policy.operations}. If you "
                "cannot tell which image a view came from, the policy is too strong.",
                rows=rows,
            )
        )
    return found


def advice_line(run: RunRecords) -> str:
    """How many operations are useful, and the best policy, for the fold."""
    told = run.advice
    useful = sum(one.word == "useful" for one in told.verdicts)
    said = [f"{useful} of {len(told.verdicts)} operations are useful"] if told.verdicts else []
    said += [f"best policy {told.ranking[0].name}"] if told.ranking else []
    return "; ".join(said) + "." if said else ""


def survey_pairs(advice: AdviceRecord) -> tuple[tuple[str, str], ...]:
    """What the images are like, a name and words each."""
    found = advice.survey
    if found is None:
        return ()
    size = f"{short(found.width)} x {short(found.height)} px, {short(found.channels)} channel"
    pairs = [
        ("images", f"{short(found.images)} images, {size}{'s' if (found.channels or 0) > 1 else ''}"),
        ("looked at", f"{short(found.sampled)}, shorter side {short(found.side)} px"),
        ("colour", f"in {_share(found.coloured)} of the images"),
        ("left and right", f"{_share(found.handed)} told from their mirror images (50 % is chance)"),
        ("near-duplicates", f"{_share(found.copies)} of the images have one in the sample"),
    ]
    if found.known is not None:
        of = f"the {found.classes} classes" if found.classes else f"{short(found.hue_groups)} groups of hue"
        chance = "" if found.chance is None else f"; chance {100 * found.chance:.0f} %"
        pairs.append(
            (
                of,
                f"of an image's nearest others {_share(found.known)} are of its own ({found.description}{chance})",
            )
        )
    for name, count in found.clusters.items():
        pairs.append(
            (
                f"clusters of {name}",
                f"{short(count)} clear ones; whether they are your classes, only labels tell",
            )
        )
    if found.hue_groups:
        pairs.append(
            (
                "WARNING",
                f"the hues fall into {found.hue_groups} separate groups. If colour is what tells your images apart, "
                "colour distortion and dropping erase it.",
            )
        )
    return tuple(pairs)


def operation_table(advice: AdviceRecord) -> Table:
    """The word on each operation, with its sign and its reason."""
    rows = [
        (
            one.name,
            f"{verdict_word(one.word, OPERATION_WORDS).sign} {one.word}",
            "–" if one.strength is None else f"{one.strength:g}",
            one.reason,
        )
        for one in advice.verdicts
    ]
    return Table(
        title="A word on each operation",
        head=("operation", "word", "use up to", "why"),
        rows=rows,
        read="Measured on the images without training. Useful: keep it, up to the strength that loses nothing worth "
        "speaking of. Saturated: more strength does no more. No-op: it changes nothing here. Destructive: it erases "
        "what tells the images apart. Cannot be told: it erases clear clusters, which may be your classes or not.",
    )


def ranking_table(advice: AdviceRecord) -> Table:
    """The policies, best first, with the number that ranks them."""
    ops = {one.name: ", ".join(str(op.get("kind", "?")) for op in one.ops) for one in advice.policies}
    rows = [
        (short(row.place), row.name, ops.get(row.name, "–"), interval(row.score), row.reason)
        for row in advice.ranking
    ]
    return Table(
        title="Policies, best first",
        head=("place", "policy", "operations", "score", "why"),
        rows=rows,
        read=how_ranked(advice),
        note=f"The best policy is in {PurePath(advice.policy).name}; train with it: contrascope train RECIPE --policy "
        "FILE"
        if advice.policy
        else "No policy is recommended.",
    )


def how_ranked(advice: AdviceRecord) -> str:
    """By what the policies were ranked."""
    rounds = [one for one in (advice.plan.rounds if advice.plan is not None else ()) if len(one) == 2]
    if rounds:
        listed = ", then ".join(f"{count} for {epochs} epochs" for count, epochs in rounds)
        how = f"Ranked by short trainings: {listed}."
    else:
        how = (
            "Ranked without training, by the distances of views alone; a larger budget, such as --budget 10m, "
            "affords short trainings."
        )
    if not advice.policy:
        how = f"{how} {nothing_learns(advice)}"
    return how if advice.complete else f"{how} Not all of them are done; the same command goes on."


def nothing_learns(advice: AdviceRecord) -> str:
    """Why no policy is recommended, and what to label or change."""
    scores = [one for one in advice.ranking if one.stage]
    best = max((estimate(one.score) or (0.0, 0.0, 0.0) for one in scores), default=(0.0, 0.0, 0.0))[0]
    key = "retrieval" if advice.labels is None else "knn"
    beside = estimate((advice.random or {}).get(key))
    against = "" if beside is None else f" (the best scores {best:.3f}, random weights {beside[0]:.3f})"
    unsure = [one.name for one in advice.verdicts if one.word == "cannot be told"]
    label = "Label some images and ask again with --labels"
    label += f", which also tells whether {', '.join(unsure)} may be used" if unsure else ""
    return (
        f"No policy that was tried learns: none is better than random weights{against}, so none is recommended. "
        f"{label}; or give a larger --budget, more images, or another --base."
    )


def _share(value: EstimateEntry | None) -> str:
    return f"{percent(estimate(value))} %"
