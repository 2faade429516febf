"""The verdict of a run on sentences while it trains: a probe that the loop asks at even steps."""

import time
from dataclasses import replace
from functools import cached_property

import torch

from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.diagnosis import ArrayReference, array_reference, array_signals
from contrascope.diagnosis.monitor.alarm import alarm_of
from contrascope.diagnosis.monitor.growing import Growing
from contrascope.diagnosis.monitor.rows import DRAWS, Row, monitor_row
from contrascope.diagnosis.score import score_of_row
from contrascope.diagnosis.sentences.faults import padding_leak
from contrascope.diagnosis.sentences.learning import TextLearning, both_answers, equal_views
from contrascope.diagnosis.sentences.shown import (
    LEAST_TEXTS,
    LEAST_WORDS,
    ShownSentences,
    half_rows,
    learning_on,
    view_rows,
)
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.features.embed import device_of
from contrascope.intervals import generator
from contrascope.methods.base import Method
from contrascope.methods.settings import MethodSettings
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.text.encoder import TextEncoder, text_encoder
from contrascope.text.policy import TextPolicy
from contrascope.text.sentences import SPECIALS, Sentences
from contrascope.text.views import clean_view
from contrascope.training.probe import Finding, StepProbe


class TextMonitorProbe(StepProbe):
    """Diagnoses the networks on the same sentences and views again and again; the reference is measured once.

    Whether it is learning is told by halves of sentences, whose gain over random weights is the label-free score:
    that dropout's view is found says nothing, for random weights find it too.
    """

    def __init__(
        self,
        shown: ShownSentences,
        reference: Method,
        *,
        method: MethodSettings,
        max_length: int,
        settings: MonitorSettings,
    ) -> None:
        self._shown, self._twin, self._settings = shown, reference.eval(), settings
        self._known, self._max_length = Known(method=method), max_length
        self._contrasts, self._growing = not isinstance(method, MLMSettings), Growing()

    def due(self, step: int, steps: int) -> bool:
        """Evenly over the run, the last step among them."""
        times = self._settings.times
        return step in {round(steps * (i + 1) / times) for i in range(times)} - {0}

    def look(self, method: Method, *, late: bool) -> Finding:
        """The finding of now: networks as they are, modes as they were."""
        start = time.perf_counter()
        signals, learnt = self.measure(method)
        verdict = judge(signals, known=self._known)
        sound, learning = both_answers(verdict.sound, learnt)
        verdict = replace(verdict, sound=sound, learning=learning)
        row = text_row(signals, verdict, learnt)
        score = score_of_row(row)
        row = row if score is None else {**row, "score": score}
        unsound = self._growing.alarms(verdict, signals)
        return Finding(
            row={**row, "seconds": round(time.perf_counter() - start, 3)},
            alarm=alarm_of(verdict, unsound=unsound, late=late),
            score=score,
            stop=self._settings.stop and unsound,
        )

    def measure(self, method: Method) -> tuple[Signals, TextLearning | None]:
        """Signals of the fixed views beside random weights, and what the halves say; None of values not finite."""
        encoder = _encoder(method)
        device = device_of(encoder)
        h, z = view_rows(encoder, method.projector, self._shown, dropping=True)
        beside, twin_halves = self._reference(device)
        signals = replace(
            array_signals(h, z, reference=beside, draws=DRAWS, seed=self._shown.seed), learning=None
        )
        if signals.faults.non_finite:
            return signals, None
        some = torch.arange(min(64, h.shape[1]))
        rows = self._shown.columns[0].padded(some, fill=encoder.vocabulary.pad)
        leak = padding_leak(encoder, clean_view(rows, encoder.vocabulary).to(device))
        signals = replace(signals, faults=replace(signals.faults, batch=leak))
        learnt = learning_on(
            self._shown,
            half_rows(encoder, self._shown.halves, max_length=self._max_length),
            twin_halves,
            size=encoder.vocabulary.size,
            equal=equal_views(h) if self._contrasts else None,
            draws=DRAWS,
        )
        return signals, learnt

    def _reference(self, device: torch.device) -> tuple[ArrayReference, torch.Tensor]:
        self._twin.to(device)
        return self._measured_reference

    @cached_property
    def _measured_reference(self) -> tuple[ArrayReference, torch.Tensor]:
        twin = _encoder(self._twin)
        h, z = view_rows(twin, self._twin.projector, self._shown, dropping=True)
        beside = array_reference(h, z, given=(h, z), draws=DRAWS, seed=self._shown.seed)
        return beside, half_rows(twin, self._shown.halves, max_length=self._max_length)


def probe_sentences(
    sentences: Sentences,
    policies: tuple[TextPolicy, ...],
    *,
    settings: MonitorSettings,
    max_length: int,
    seed: int,
    same_mask: bool,
) -> ShownSentences | None:
    """Some of the training's sentences that can be halved, drawn by the seed; None where there are fewer than 16."""
    long = (sentences.columns[0].lengths >= LEAST_WORDS).nonzero()[:, 0]
    if len(long) < LEAST_TEXTS:
        return None
    order = torch.randperm(len(long), generator=generator(seed, "probe sentences"))
    chosen = long[order[: settings.images].sort().values]
    return ShownSentences(
        columns=tuple(column.select(chosen).cut(max_length - SPECIALS) for column in sentences.columns[:2]),
        policies=policies,
        num_views=settings.views,
        seed=seed,
        same_mask=same_mask,
    )


def text_row(signals: Signals, verdict: Verdict, learnt: TextLearning | None) -> Row:
    """The row of a run on images, with the gains of halves in place of those of views."""
    row = monitor_row(signals, verdict)
    if learnt is not None:
        row["h_gain_halves"] = learnt.halves.odds.value
        if learnt.words is not None:
            row["h_gain_words"] = learnt.words.odds.value
    return row


def _encoder(method: Method) -> TextEncoder:
    return text_encoder(method.encoder, method="the monitor of sentences")
