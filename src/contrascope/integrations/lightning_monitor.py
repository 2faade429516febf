"""The diagnosis under Lightning's Trainer, for any module; needs the extra `lightning`."""

from typing import Any

from contrascope.diagnosis.monitor.monitor import Monitor
from contrascope.diagnosis.monitor.rows import NOTHING_YET, numbers_of
from contrascope.integrations.lightning import Callback, LightningModule, Trainer


class LightningDiagnosis(Callback):
    """Measures the module at the end of every epoch that the monitor calls due, and logs the numbers.

    `ModelCheckpoint(monitor="contrascope/score", mode="max")` and `EarlyStopping` see them; between two measurements
    the last ones stay. An alarm of a monitor with `on_alarm="stop"` ends the training. History and best step are in
    Lightning's checkpoints. Several processes are measured as one. Put it before `EarlyStopping` in the list.

    >>> LightningDiagnosis(Monitor(reference=None)).state_key
    'contrascope'
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._numbers = dict(NOTHING_YET)

    @property
    def state_key(self) -> str:
        return "contrascope"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.monitor.due(trainer.current_epoch):
            own = {
                key: float(value)
                for key, value in trainer.callback_metrics.items()
                if key not in self._numbers
            }
            row = self.monitor(
                pl_module, step=trainer.global_step, epoch=trainer.current_epoch + 1, metrics=own
            )
            self._numbers = numbers_of(row) if row else self._numbers
        pl_module.log_dict(self._numbers, sync_dist=trainer.world_size > 1)
        if self.monitor.should_stop:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state_dict)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.monitor.close()


DiagnosisCallback = LightningDiagnosis
"""The name that it has in every framework."""
