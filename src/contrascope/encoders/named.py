"""An encoder by its name, with its published weights where it has some, and its random twin."""

from contrascope.encoders.build import build_encoder
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.foreign import HuggingFaceTrunk
from contrascope.encoders.settings import EncoderSettings, pretrained
from contrascope.encoders.twin import TWIN_SEED, drawn_from, random_twin

NAMED_SEED = 0
"""Weights that a name does not bring along are drawn from this."""


def named_encoder(name: str, *, channels: int, size: int) -> Encoder:
    """The encoder of this name in evaluation mode; timm:, hf: and torchvision: bring published weights.

    >>> first, second = (named_encoder("convnet", channels=1, size=8) for _ in range(2))
    >>> all((a == b).all() for a, b in zip(first.parameters(), second.parameters()))
    True
    """
    with drawn_from(NAMED_SEED):
        settings = EncoderSettings(name=name, pretrained=pretrained(name))
        return build_encoder(settings, channels=channels, size=size).eval()


def named_twin(name: str, encoder: Encoder, *, channels: int, size: int) -> Encoder | None:
    """The same architecture with its own random start, the same in every process; it sees images as `encoder` does.

    An object of an import path may load weights whenever it is built, so its numbers are drawn anew by
    `random_twin`; None where that changes nothing.
    """
    if ":" in name and not pretrained(name):
        twin = random_twin(encoder)
        assert twin is None or isinstance(twin, Encoder)
        return None if twin is None else twin.eval()
    mean, std = (tuple(values.flatten().tolist()) for values in (encoder.mean, encoder.std))
    with drawn_from(TWIN_SEED):
        twin = build_encoder(EncoderSettings(name=name, mean=mean, std=std), channels=channels, size=size)
    same_pooling(twin, encoder)
    return twin.eval()


def same_pooling(twin: Encoder, encoder: Encoder) -> None:
    """Lets the twin pool as the encoder does, in place: a pooler whose weights did not come along is not used."""
    if isinstance(twin.trunk, HuggingFaceTrunk) and isinstance(encoder.trunk, HuggingFaceTrunk):
        twin.trunk.use_pooler = encoder.trunk.use_pooler
