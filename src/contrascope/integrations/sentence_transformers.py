"""The diagnosis under the trainer of sentence-transformers, for any of its models; needs the extra `sentence`."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.diagnosis.monitor.monitor import Monitor
from contrascope.diagnosis.monitor.rows import NOTHING_YET, PREFIX, Row, numbers_of
from contrascope.errors import InputError
from contrascope.extras import named_extras
from contrascope.features.embed import device_of
from contrascope.integrations.transformers_monitor import (
    TrainerControl,
    TrainerState,
    TrainingArguments,
    TransformersDiagnosis,
)

with named_extras():
    from sentence_transformers.base.evaluation import BaseEvaluator

Texts = Sequence[Any]
"""What the model embeds, one an item: sentences, or what else its `preprocess` takes."""
STOP = f"{PREFIX}/stop"
"""Name of the number that tells all processes whether an alarm asked to stop."""


class SentencesDiagnosis(BaseEvaluator):
    """Measures the model at every evaluation: `views` are lists of texts, and texts at one place are one meaning.

    So pairs of anchors and positives, of sentences that the training does not see: `[anchors, positives]`. `options`
    are `Monitor`'s. The numbers stand in the metrics of the evaluation, and `primary_metric` is the label-free score:
    `metric_for_best_model="eval_contrascope/score"` chooses by it. An evaluator cannot end a training: `callback`,
    given to the trainer, stops at an alarm (`on_alarm="stop"`), keeps the rows in `state.log_history` and goes on from
    them. Of several processes, one measures. A call outside a training counts as one step after the last.
    Raises `InputError` for views that are none.

    >>> evaluator = SentencesDiagnosis([["a b", "c"] * 8, ["b a", "c c"] * 8], reference=None)
    >>> evaluator.primary_metric, evaluator.greater_is_better
    ('contrascope/score', True)
    """

    def __init__(self, views: Sequence[Texts], **options: Any) -> None:
        super().__init__()
        taken = sorted({"encoder", "output", "together", "views"} & options.keys())
        if taken:
            raise InputError(
                f"{', '.join(taken)} cannot be chosen here: the whole model is measured. Leave it out."
            )
        if isinstance(views, str) or any(isinstance(texts, str) for texts in views):
            raise InputError(
                "views is text; expected a list of texts for each view, as [anchors, positives]."
            )
        lengths = [len(texts) for texts in views]
        if len(lengths) < 2 or len(set(lengths)) > 1:
            raise InputError(
                f"the views have {lengths} texts; expected two views or more, of equally many texts, those at one "
                "place with one meaning."
            )
        texts = tuple(text for view in views for text in view)
        places = torch.arange(len(texts)).view(len(views), -1, 1)
        self.primary_metric = f"{PREFIX}/score"
        self.greater_is_better = True
        self.monitor = Monitor(
            places, encoder=lambda model: _AtPlaces(model, texts), together=False, **options
        )
        self._row: Row = {}

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        del output_path
        last = self.monitor.history[-1:]
        step = steps if steps >= 0 else int(last[0][f"{PREFIX}/step"]) + 1 if last else 0
        self._row = self.monitor(model, step=step, epoch=None if epoch < 0 else epoch)
        found = numbers_of(self._row) if self._row else dict(NOTHING_YET)
        found[STOP] = float(self.monitor.should_stop)
        self.store_metrics_in_model_card_data(model, found, int(epoch), steps)
        return found

    @property
    def callback(self) -> "_Following":
        """For the trainer's `callbacks`: it stops at an alarm, and a resumed training keeps the history."""
        return _Following(self)

    @property
    def row(self) -> Row:
        """The last measurement's row, words included; empty where it failed."""
        return self._row


class _AtPlaces(nn.Module):
    """The model, called with places of texts."""

    def __init__(self, model: nn.Module, texts: tuple[Any, ...]) -> None:
        super().__init__()
        self.model, self._texts = model, texts

    def forward(self, places: Int[Tensor, "n 1"]) -> Float[Tensor, "n dim"]:
        model: Any = self.model
        device = device_of(model)
        inputs = model.preprocess([self._texts[place] for place in places.flatten().tolist()])
        moved = {
            key: value.to(device) if isinstance(value, Tensor) else value for key, value in inputs.items()
        }
        return model(moved)["sentence_embedding"]


class _Following(TransformersDiagnosis):
    """Does under the trainer what an evaluator cannot; it measures nothing itself."""

    def __init__(self, evaluator: SentencesDiagnosis) -> None:
        super().__init__(evaluator.monitor)
        self._evaluator = evaluator

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if kwargs["metrics"].get(f"eval_{STOP}"):
            control.should_training_stop = True
        row = self._evaluator.row
        if row and row[f"{PREFIX}/step"] == state.global_step:
            kept: dict[str, Any] = {**row, "epoch": state.epoch, "step": state.global_step}
            state.log_history.append(kept)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Nothing: evaluations measure."""


DiagnosisEvaluator = SentencesDiagnosis
"""The name beside those of the other frameworks."""
