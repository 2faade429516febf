"""The encoder that a run started from, kept in its folder: the second reference of a continued training."""

import copy
from pathlib import Path

from contrascope import records
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.partial import merged
from contrascope.encoders.settings import continues
from contrascope.errors import InputError
from contrascope.exports.blueprint import trunk_tensors
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.methods.base import Method
from contrascope.records.forgetting import START
from contrascope.records.inside import parsed, whole_file
from contrascope.runs.load import Run
from contrascope.runs.settings import RunSettings


def keep_start(settings: RunSettings, method: Method, out: Path) -> None:
    """Writes the start of a run that has not begun; nothing where it starts from random weights.

    It costs a copy of the encoder's weights, and lets the run be compared with its start wherever its folder goes.
    """
    if not continues(settings.encoder) or records.checkpoint_folders(out):
        return
    assert isinstance(method.encoder, Encoder)
    with whole_file(records.inside(out, START)) as partial:
        save_sealed(merged(trunk_tensors(method.encoder)), partial, {"format": "pt"})


def start_of(run: Run) -> Encoder | None:
    """The encoder that a run started from, in evaluation mode; None where it started from random weights.

    Raises `InputError` where the file is damaged or of another network.
    """
    path = records.inside(run.path, START)
    if not path.exists():
        return None
    with parsed(path, "file of tensors", "Remove it, and the start is not compared with."):
        tensors, _ = read_sealed(path)
    assert isinstance(run.method.encoder, Encoder)
    start = copy.deepcopy(run.method.encoder)
    try:
        start.trunk.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"{path} is of another network than the run. Remove it, and the start is not compared with."
        ) from error
    return start.eval()
