"""One trial in a process of its own: `python -m contrascope.sweeps.worker SWEEP NAME`, by whatever engine."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrascope.errors import InputError
from contrascope.machine.openmp import THREADS
from contrascope.records.inside import inside
from contrascope.records.sweeps import ALARMED, DIVERGED, FINISHED, PAUSED, REFUSED, OutcomeRecord
from contrascope.records.typed import write_record
from contrascope.settings import from_json
from contrascope.sweeps.engine import WORK
from contrascope.sweeps.kept import recorded

if TYPE_CHECKING:
    from contrascope.runs.settings import RunSettings


def main(words: Sequence[str] | None = None) -> int:
    """Run the trial that the words name; 0 where its outcome is written, whatever it is."""
    parser = argparse.ArgumentParser(prog="contrascope.sweeps.worker")
    parser.add_argument("sweep", type=Path)
    parser.add_argument("name")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--until", type=int)
    parser.add_argument("--device")
    parser.add_argument("--tied", action="store_true", help="end when the process that started this one ends")
    parsed = parser.parse_args(words)
    if parsed.tied:
        threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    return work(parsed.sweep, parsed.name, threads=parsed.threads, until=parsed.until, device=parsed.device)


def work(sweep: Path, name: str, *, threads: int, until: int | None = None, device: str | None = None) -> int:
    """Train the trial to its end or to a rung, measure it, and write what came of it; 0.

    It begins a run or goes on with the one in the trial's folder. A signal ends it without an outcome: it is saved.
    """
    os.environ[THREADS] = str(threads)  # a run takes as many as are asked for, without a trial of its own
    import torch

    torch.set_num_threads(threads)
    trial = next((one for one in recorded(sweep).trials if one.name == name), None)
    if trial is None:
        raise InputError(f"{sweep} has no trial {name!r}.")
    outcome = _outcome(inside(sweep, name), trial.settings, until=until, device=device)
    place = inside(sweep, WORK, name)
    place.mkdir(parents=True, exist_ok=True)
    write_record(place / OutcomeRecord.FILE, outcome)
    return 0


def _outcome(run: Path, tree: dict[str, object], *, until: int | None, device: str | None) -> OutcomeRecord:
    from contrascope.runs.settings import RunSettings
    from contrascope.training.interrupt import StoppedError
    from contrascope.training.watch import NonFiniteLossError

    try:
        return _trained(run, from_json(RunSettings, tree), until=until, device=device)
    except NonFiniteLossError as error:
        return OutcomeRecord(state=DIVERGED, why=str(error))
    except StoppedError as error:
        return OutcomeRecord(state=ALARMED, why=str(error))
    except (InputError, OSError) as error:
        return OutcomeRecord(state=REFUSED, why=str(error))


def _trained(run: Path, settings: "RunSettings", *, until: int | None, device: str | None) -> OutcomeRecord:
    from contrascope.jobs.train import train
    from contrascope.machine.device import find_device
    from contrascope.sweeps.measure import final_score_of, mark_of
    from contrascope.training.device import accelerator_on

    epochs = settings.training.epochs
    stop = None if until is None or until >= epochs else until
    chosen = find_device(device)
    train(settings, run, resume=True, device=chosen, until=stop)
    mark = mark_of(run, settings, epoch=stop or epochs, device=accelerator_on(chosen).device)
    if stop is not None:
        return OutcomeRecord(state=PAUSED, mark=mark)
    return OutcomeRecord(state=FINISHED, mark=mark, test=final_score_of(run))


def _end_with_the_sweep() -> None:
    """Waits until nobody holds the other end of stdin, then asks this process to save and end."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
