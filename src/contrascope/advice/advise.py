"""Which augmentation for these images? Look, measure, train a little, rank; everything kept, so it can go on."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from contrascope import records
from contrascope.advice.advisor import OperationFacts, OperationVerdict
from contrascope.advice.curves import Curve, best_first
from contrascope.advice.gallery import policy_gallery
from contrascope.advice.measure import AllCurves, Sample, look_at, measure_curves, take_sample
from contrascope.advice.policies import Candidate, candidates, compose, kept_strengths
from contrascope.advice.proxies import (
    Plan,
    Proxies,
    ProxyScore,
    base_settings,
    check_base,
    halving_plan,
    run_halving,
    value_of,
)
from contrascope.advice.ranking import Ranked, Scored, first_that_learns, ranking
from contrascope.advice.settings import AdviseSettings
from contrascope.advice.survey import Survey
from contrascope.augment.policy_file import write_policy
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import images_from
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.precision import single_precision
from contrascope.progress import to_stderr
from contrascope.records.advice import AdviceRecord
from contrascope.records.entry import as_tree
from contrascope.records.gallery import PolicyGalleryRecord
from contrascope.records.requests import RequestEntry
from contrascope.records.typed import as_record, read_record
from contrascope.runs.bad_images import tell_images
from contrascope.runs.store import Request, Store, begin
from contrascope.settings import from_json, to_json
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
    """The file with the best policy; empty where no policy that was trained is better than random weights."""
    random: ProxyScore | None = None
    """The score of random weights on the same views, where something was trained."""


@single_precision()
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
    earlier one stopped, also with a larger budget, and finished advice of this budget or a larger one is handed back
    as it is. advice.json and gallery.json in the folder are for a report. Raises `InputError` with the differences
    where the folder holds what another request found.
    """
    end = time.perf_counter() + budget
    check_base(base)
    images = images_from(data, labels="none" if labels is None else labels)
    folder = out.with_name(f"{out.stem}.advice")
    if out.exists() and not folder.is_dir():
        raise InputError(
            f"{out} exists, and no {folder.name} beside it says that it was advised. Choose another --out."
        )
    told = {"labels": labels, "base": base, "advice": to_json(settings)}
    request = Request(work="advice", settings=told, of={"data": images.fingerprint})
    with begin(folder, request, read=_in_full) as store:
        done = finished(folder, budget=budget)
        if done is not None:
            return _handed_back(replace(done, policy=str(out)))
        tell_images(images, to_stderr, beside=folder)
        job = AdviceJob(store=store, settings=settings, base=base, budget=budget, end=end, device=device)
        return _measured(images, labels, job, out=out)


def _in_full(recorded: RequestEntry) -> RequestEntry:
    """A recorded request with the settings that came later."""
    told = recorded.settings
    if "advice" not in told:
        return recorded
    return replace(recorded, settings={**told, "advice": to_json(from_json(AdviseSettings, told["advice"]))})


def finished(folder: Path, *, budget: float) -> Advice | None:
    """The advice in this folder if every training is done that a budget of so many seconds affords."""
    path = records.inside(folder, RECORD)
    records.inside(folder, GALLERY)
    if not path.is_file():
        return None
    try:
        record = read_record(AdviceRecord, path).writable()
        tree = as_tree(record)
        done = from_json(Advice, {field.name: tree[field.name] for field in fields(Advice)})
    except InputError:  # damaged, or of an older form: its measurements are read one by one
        return None
    return done if done.complete and _budget(record, folder) >= budget else None


def _budget(record: AdviceRecord, folder: Path) -> float:
    """Seconds; version 0.1 told them in the names of its plans alone."""
    plans = (
        re.fullmatch(r"plan-(\d{1,9}(?:\.\d{1,9})?(?:e\+\d\d)?)s", path.stem)
        for path in folder.glob("plan-*s.json")
    )
    return (
        max((float(one[1]) for one in plans if one), default=0.0) if record.budget is None else record.budget
    )


def _handed_back(advice: Advice) -> Advice:
    to_stderr("this advice is finished; nothing is measured again.")
    best = recommended(advice)
    if best is None:
        return replace(advice, policy="")
    if not Path(advice.policy).exists():
        write_policy(Path(advice.policy), best.settings)
    return advice


@dataclass(frozen=True, kw_only=True)
class AdviceJob:
    """What one call asks for."""

    store: Store
    """Where measurements are kept."""
    settings: AdviseSettings
    """How much is looked at."""
    base: str
    """Method of the short trainings."""
    budget: float
    """Seconds for them."""
    end: float
    """When they are over, by the performance counter."""
    device: torch.device | str | None
    """Where they run."""


def _measured(images: ImageSet, labels: str | None, job: AdviceJob, *, out: Path) -> Advice:
    settings = job.settings
    sample = take_sample(images, labels, settings)
    found, facts, verdicts = look_at(images, sample, job.store, settings)
    for verdict in verdicts:
        to_stderr(f"{verdict.name}: {verdict.word}. {verdict.reason}")
    chosen = candidates(verdicts, most=settings.candidates)
    base_settings(job.base, chosen[0], len(sample.images), settings)
    curves = measure_curves(sample, found, verdicts, chosen, job.store, settings)
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
        complete=job.budget <= 0,
        policy=str(out),
    )
    return _written(_with_training(advice, sample, job) if job.budget > 0 else advice, sample, job)


def _with_training(advice: Advice, sample: Sample, job: AdviceJob) -> Advice:
    """The advice with short trainings; what is done by an interrupt is ranked and written before it goes on."""
    labelled = advice.labels is not None
    order = best_first(advice.policies, advice.curves.candidates)
    common = Candidate(name="common views", ops=compose(kept_strengths(advice.verdicts)))
    proxies = Proxies(
        sample.images, common, job.store, base=job.base, settings=job.settings, device=job.device
    )
    plan, done = Plan(rounds=()), {}
    try:
        timing, random = proxies.timing(order[0]), proxies.random(order[0])
        advice = replace(advice, random=random)
        left = job.end - time.perf_counter()
        plan = job.store.kept(
            Plan, f"plan-{job.budget:g}s", lambda: halving_plan(len(order), budget=left, timing=timing)
        )
        if not plan.rounds:
            to_stderr(
                f"the budget affords no training: of {job.budget:g} s {max(left, 0):.0f} are left, and an epoch takes "
                f"{timing.epoch:.1f} s. Ranking by concentration."
            )
        run_halving(proxies, order, plan, done, labelled=labelled)
    except Interrupted:
        _written(_ranked(advice, plan, done, complete=False), sample, job)
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


def advice_record(
    advice: Advice, settings: AdviseSettings | None = None, *, budget: float | None = None
) -> AdviceRecord:
    """What advice.json holds."""
    told = {"settings": to_json(settings) if settings else {}, "budget": budget}
    return as_record(AdviceRecord, {**to_json(advice), **told})


def _best(advice: Advice) -> list[Candidate]:
    by_name = {one.name: one for one in advice.policies}
    return [by_name[row.name] for row in advice.ranking]


def recommended(advice: Advice) -> Candidate | None:
    """What the advice recommends; None where some policies were trained and none learnt."""
    return first_that_learns(_best(advice), advice.proxies, advice.random, labelled=advice.labels is not None)


def _written(advice: Advice, sample: Sample, job: AdviceJob) -> Advice:
    """Writes the best policy, the record and the gallery; advice that a stop left incomplete replaces none that is."""
    folder, seed = job.store.folder, job.settings.seed
    if not advice.complete and finished(folder, budget=0.0) is not None:
        return advice
    best = recommended(advice)
    if best is None:
        advice = replace(advice, policy="")
    else:
        write_policy(Path(advice.policy), best.settings)
    gallery = policy_gallery(sample.images, _best(advice)[:SHOWN], seed=seed)
    records.write_record(folder / GALLERY, gallery)
    records.write_record(folder / RECORD, advice_record(advice, job.settings, budget=job.budget))
    return advice
