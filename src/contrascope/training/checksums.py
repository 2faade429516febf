"""Whether a checkpoint is as it was written: a SHA-256 of every file in it, kept in its state.json."""

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from contrascope import records
from contrascope.errors import InputError
from contrascope.progress import Say, to_stderr
from contrascope.records.inside import inside, opened, regular

METHOD, OPTIMIZER, STATE = "method.safetensors", "optimizer.safetensors", "state.json"
TENSORS = (METHOD, OPTIMIZER)
"""The files of a checkpoint with tensors: networks, momentum copy and queue; moments of the optimisers."""
SUMS, OWN = "sha256", "sha256_of_state"
"""Parts of state.json: the sums of the files by name, and that of state.json without this part."""
COUNTS = ("step", "steps", "steps_per_epoch", "epochs")


class DamagedError(InputError):
    """A checkpoint is not as it was written."""


def file_sum(path: Path) -> str:
    """SHA-256 of a regular file, in hexadecimal digits."""
    with os.fdopen(opened(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sum(state: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a state, without the part that holds it.

    >>> state_sum({"b": 1, "a": 2.5}) == state_sum({"a": 2.5, "b": 1, "sha256_of_state": "x"})
    True
    """
    content = {key: value for key, value in state.items() if key != OWN}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def summed(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The state with the sums of the files in a folder and its own."""
    plain = json.loads(json.dumps(records.finite(state)))
    plain[SUMS] = {name: file_sum(folder / name) for name in TENSORS}
    return {**plain, OWN: state_sum(plain)}


def verified(folder: Path, *, moments: bool = True, say: Say = to_stderr) -> dict[str, Any]:
    """The state of a checkpoint whose files all have their sums; raises `DamagedError` with what is wrong.

    Without `moments` the optimiser's file may be missing, but not damaged. A checkpoint of an older version has no
    sums: that is said, and that its files can be opened is all that is known.
    """
    state = read_state(folder)
    names = TENSORS if moments or (folder / OPTIMIZER).exists() else (METHOD,)
    if SUMS not in state:
        for name in names:
            _openable(folder, name)
        say(f"contrascope: {folder} is of an older version and has no checksums; it is read unchecked.")
        return state
    for name in names:
        if _on_disk(folder, name) != state[SUMS][name]:
            raise DamagedError(f"{folder / name} is damaged: its content is not what was written.")
    return state


def read_state(folder: Path) -> dict[str, Any]:
    """What state.json of a checkpoint holds, compared with its own sum; the files beside it are not looked at."""
    path = inside(folder.parent, folder.name, STATE)
    try:
        state = records.read_json(path)
    except InputError as error:
        raise DamagedError(str(error)) from None
    if not isinstance(state, dict) or not all(_count(state.get(key)) for key in COUNTS if key in state):
        raise DamagedError(f"{path} is damaged: it holds no state of a training.")
    if not isinstance(state.get("optimizer"), dict) or "step" not in state:
        raise DamagedError(f"{path} is damaged: it lacks step or optimizer.")
    if SUMS not in state and OWN not in state:
        return state
    if not isinstance(state.get(SUMS), dict) or set(state[SUMS]) != set(TENSORS):
        raise DamagedError(f"{path} is damaged: it lacks the checksums of {' and '.join(TENSORS)}.")
    if state.get(OWN) != state_sum(state):
        raise DamagedError(f"{path} is damaged: its content is not what was written.")
    return state


def newest_whole(
    run: Path, *, moments: bool = True, say: Say = to_stderr
) -> tuple[Path, dict[str, Any]] | None:
    """Folder and state of the newest checkpoint that is as it was written; None where there is no checkpoint.

    Damaged ones are named and passed over. Raises `DamagedError` where all are damaged.
    """
    passed: list[str] = []
    for step, folder in reversed(records.checkpoint_folders(run)):
        try:
            state = verified(folder, moments=moments, say=say)
        except DamagedError as error:
            passed.append(str(error))
            continue
        if passed:
            say(f"contrascope: {' '.join(passed)} The checkpoint before it, of step {step}, is taken.")
        return folder, state
    if passed:
        raise DamagedError(
            f"{run} has no whole checkpoint. {' '.join(passed)} Restore one, or train anew in another --out."
        )
    return None


def set_aside_damaged(run: Path, step: int) -> None:
    """Checkpoints behind `step` were passed over as damaged: they keep their content under a name of their own."""
    for later, folder in records.checkpoint_folders(run):
        if later > step:
            folder.rename(_free(folder.with_name(f"damaged-{folder.name}")))


def _free(path: Path) -> Path:
    names: Sequence[Path] = [path.with_name(f"{path.name}-{number}") for number in range(2, 1000)]
    return next(one for one in (path, *names) if not os.path.lexists(one))


def _on_disk(folder: Path, name: str) -> str:
    try:
        return file_sum(inside(folder, name))
    except FileNotFoundError:
        raise DamagedError(f"{folder / name} is missing.") from None
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedError(f"{folder / name} cannot be read ({error.strerror}).") from None


def _openable(folder: Path, name: str) -> None:
    try:
        with safe_open(regular(inside(folder, name)), framework="pt"):
            return
    except (FileNotFoundError, SafetensorError) as error:
        raise DamagedError(f"{folder / name} is damaged: it cannot be read ({error}).") from None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
