"""The networks of a run or of an encoder by its name."""

from pathlib import Path

from torch import nn

from contrascope import records
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, pretrained
from contrascope.errors import InputError
from contrascope.runs.load import load_run


def networks_of(name: str, shape: tuple[int, int, int]) -> tuple[nn.Module, nn.Module | None]:
    """Encoder and projector of a run, or the encoder of this name (with its published weights, where it has some)."""
    path = Path(name).expanduser()
    if (path / records.SETTINGS).is_file():
        run = load_run(path)
        return run.encoder, run.method.projector
    if path.is_dir():
        raise InputError(
            f"{path} is no run: it has no {records.SETTINGS}. Name a run's folder or an encoder."
        )
    settings = EncoderSettings(name=name, pretrained=pretrained(name))
    return build_encoder(settings, channels=shape[0], size=min(shape[1:])), None
