"""The diagnosis under the Trainer of transformers, for any model; needs the extra `hf`."""

from numbers import Real
from typing import Any

from contrascope.diagnosis.monitor.monitor import Monitor
from contrascope.diagnosis.monitor.rows import NOTHING_YET, Row, numbers_of
from contrascope.errors import MissingExtraError
from contrascope.extras import install_line
from contrascope.machine.torchvision_operators import complete_torchvision

complete_torchvision()
try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except (ImportError, OSError, RuntimeError, AttributeError) as error:  # a torchvision that does not fit
    raise MissingExtraError(
        f"transformers cannot be imported ({error}). Run: {install_line('hf')}; if it is installed, install "
        "builds of torch and torchvision that belong together."
    ) from error


class TransformersDiagnosis(TrainerCallback):
    """Measures the model at every evaluation; without evaluations, at the end of the epochs that the monitor calls due.

    The numbers stand in the metrics of the evaluation, so that `metric_for_best_model="contrascope/score"` with
    `greater_is_better=True` chooses by them, and the rows in `state.log_history`, from which a resumed training goes
    on. An alarm of a monitor with `on_alarm="stop"` sets `control.should_training_stop`.

    >>> TransformersDiagnosis(Monitor(reference=None)).monitor.best
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._row: Row = {}
        self._step: int | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step:
            self.monitor.recall(state.log_history)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        metrics = kwargs["metrics"]
        self._measure(state, kwargs["model"], metrics)
        found = numbers_of(self._row) if self._row else NOTHING_YET
        metrics.update({f"eval_{key}": value for key, value in found.items()})
        self._stop(control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.eval_strategy == "no" and self.monitor.due(round(state.epoch or 0) - 1):
            self._measure(state, kwargs["model"], {})
        self._stop(control)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step = None
        self.monitor.close()

    def _measure(self, state: TrainerState, model: Any, metrics: dict[str, Any]) -> None:
        """Once a step, however many sets are evaluated at it."""
        if self._step == state.global_step:
            return
        losses = [row["loss"] for row in state.log_history if "loss" in row]
        told = {**metrics, "loss": losses[-1]} if losses else metrics
        own = {key: float(value) for key, value in told.items() if isinstance(value, Real)}
        row = self.monitor(model, step=state.global_step, epoch=state.epoch, metrics=own)
        if row:
            self._row, self._step = row, state.global_step
            kept: dict[str, Any] = {**row, "epoch": state.epoch, "step": state.global_step}
            state.log_history.append(kept)

    def _stop(self, control: TrainerControl) -> None:
        control.should_training_stop = control.should_training_stop or self.monitor.should_stop


DiagnosisCallback = TransformersDiagnosis
"""The name that it has in every framework."""
