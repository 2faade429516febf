"""Which augmentation for these images? Look, measure, train a little, rank; everything kept, so it can go on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from contrascope import records
from contrascope.advice.advisor import OperationFacts, OperationVerdict, Ranked, Scored, ranking
from contrascope.advice.curves import Curve, best_first
from contrascope.advice.gallery import policy_gallery
from contrascope.advice.measure import AllCurves, Sample, look_at, measure_curves, take_sample
from contrascope.advice.policies import Candidate, candidates, compose, kept_strengths
from contrascope.advice.proxies import (
    Plan,
    Proxies,
    ProxyScore,
    base_settings,
    halving_plan,
    run_halving,
    value_of,
)
from contrascope.advice.settings import AdviseSettings
from contrascope.advice.state import State, say
from contrascope.advice.survey import Survey
from contrascope.augment.policy_file import write_policy
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import images_from
from contrascope.data.settings import DataSettings
from contrascope.records.advice import AdviceRecord
from contrascope.records.gallery import PolicyGalleryRecord
from contrascope.records.typed import as_record
from contrascope.settings import to_json
from contrascope.training.interrupt import Interrupted

RECORD, GALLERY = AdviceRecord.FILE, PolicyGalleryRecord.FILE
SHOWN = 3
"""Policies in the gallery."""
MEASURES = {
    (True, True): "kNN accuracy",
    (True, False): "own image found first",
    (False, True): "concentration of the classes",
    (False, False): "concentration of pseudo-classes",
}
"""(trained, labelled) -> what a policy is ranked by."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Everything that was found."""

    data: str
    """The images."""
    labels: str | None
    """The label column that was used."""
    survey: Survey
    """What the images are like."""
    facts: tuple[OperationFacts, ...]
    """What each operation does at each strength."""
    verdicts: tuple[OperationVerdict, ...]
    """The word on each operation."""
    curves: AllCurves
    """Concentration of operations, pairs and candidates."""
    policies: tuple[Candidate, ...]
    """The candidates."""
    plan: Plan
    """Rounds of training."""
    proxies: dict[str, ProxyScore]
    """The last score of every candidate that was trained, by its name."""
    ranking: tuple[Ranked, ...]
    """Best first."""
    complete: bool
    """Whether every planned training is done."""
    policy: str
    """The file with the best policy."""


def advise(
    data: DataSettings | ImageSet,
    *,
    labels: str | None = None,
    budget: float = 600.0,
    base: str = "simclr",
    out: Path,
    settings: AdviseSettings,
    device: torch.device | str | None = None,
) -> Advice:
    """Survey, verdicts, concentration, short trainings within `budget` seconds, ranking; writes the best policy.

    The short trainings run on `device`, the rest on the CPU.

    Beside `out`, a folder `OUT.advice` keeps every measurement as JSON: the same call again goes on where an
    earlier one stopped, also with another budget. advice.json and gallery.json in it are for a report.
    """
    start = time.perf_counter()
    images = images_from(data, labels="none" if labels is None else labels)
    sample = take_sample(images, labels, settings)
    request = {"data": images.fingerprint, "labels": labels, "base": base, "settings": to_json(settings)}
    state = State(out.with_name(f"{out.stem}.advice"), request)
    found, facts, verdicts = look_at(images, sample, state, settings)
    for verdict in verdicts:
        say(f"{verdict.name}: {verdict.word}. {verdict.reason}")
    chosen = candidates(verdicts, most=settings.candidates)
    base_settings(base, chosen[0], len(sample.images), settings)
    curves = measure_curves(sample, found, verdicts, chosen, state, settings)
    advice = Advice(
        data=images.name,
        labels=labels,
        survey=found,
        facts=facts,
        verdicts=verdicts,
        curves=curves,
        policies=chosen,
        plan=Plan(rounds=()),
        proxies={},
        ranking=_rank(chosen, curves.candidates, Plan(rounds=()), {}, labelled=labels is not None),
        complete=budget <= 0,
        policy=str(out),
    )
    if budget > 0:
        common = Candidate(name="common views", ops=compose(kept_strengths(verdicts)))
        proxies = Proxies(sample.images, common, state, base=base, settings=settings, device=device)
        advice = _with_training(advice, sample, state, proxies, settings, end=start + budget, budget=budget)
    return _written(advice, sample, state, settings)


def _with_training(
    advice: Advice,
    sample: Sample,
    state: State,
    proxies: Proxies,
    settings: AdviseSettings,
    *,
    end: float,
    budget: float,
) -> Advice:
    """The advice with short trainings; what is done by an interrupt is ranked and written before it goes on."""
    labelled = advice.labels is not None
    order = best_first(advice.policies, advice.curves.candidates)
    plan, done = Plan(rounds=()), {}
    try:
        timing = proxies.timing(order[0])
        left = end - time.perf_counter()
        plan = state.kept(
            Plan, f"plan-{budget:g}s", lambda: halving_plan(len(order), budget=left, timing=timing)
        )
        if not plan.rounds:
            say(
                f"the budget affords no training: of {budget:g} s {max(left, 0):.0f} are left, and an epoch takes "
                f"{timing.epoch:.1f} s. Ranking by concentration."
            )
        run_halving(proxies, order, plan, done, labelled=labelled)
    except Interrupted:
        _written(_ranked(advice, plan, done, complete=False), sample, state, settings)
        raise
    return _ranked(advice, plan, done, complete=True)


def _ranked(advice: Advice, plan: Plan, done: dict[str, ProxyScore], *, complete: bool) -> Advice:
    names = {one.key: one.name for one in advice.policies}
    order = _rank(advice.policies, advice.curves.candidates, plan, done, labelled=advice.labels is not None)
    proxies = {names[key]: score for key, score in done.items()}
    return replace(advice, plan=plan, proxies=proxies, ranking=order, complete=complete)


def _rank(
    chosen: Sequence[Candidate],
    curves: Sequence[Curve],
    plan: Plan,
    done: dict[str, ProxyScore],
    *,
    labelled: bool,
) -> tuple[Ranked, ...]:
    rounds = {epochs: turn for turn, (_, epochs) in enumerate(plan.rounds, start=1)}
    rows = []
    for candidate, curve in zip(chosen, curves, strict=True):
        score = done.get(candidate.key)
        rows.append(
            Scored(
                name=candidate.name,
                stage=0 if score is None else rounds[score.epochs],
                score=curve.sigma if score is None else value_of(score, labelled=labelled),
                measure=MEASURES[score is not None, labelled],
            )
        )
    return ranking(rows)


def advice_record(advice: Advice, settings: AdviseSettings | None = None) -> AdviceRecord:
    """What advice.json holds."""
    return as_record(AdviceRecord, {**to_json(advice), "settings": to_json(settings) if settings else {}})


def _written(advice: Advice, sample: Sample, state: State, settings: AdviseSettings) -> Advice:
    """Writes the best policy, the record and the gallery."""
    by_name = {one.name: one for one in advice.policies}
    best = [by_name[row.name] for row in advice.ranking]
    write_policy(Path(advice.policy), best[0].settings)
    records.write_record(state.folder / RECORD, advice_record(advice, settings))
    records.write_record(
        state.folder / GALLERY, policy_gallery(sample.images, best[:SHOWN], seed=settings.seed)
    )
    return advice
