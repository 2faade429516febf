"""Networks and method of a run, from its settings alone."""

from dataclasses import replace

from contrascope.encoders.build import build_encoder
from contrascope.encoders.twin import TWIN_SEED, drawn_from
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.runs.settings import RunSettings

RANDOM_SEED_OFFSET = TWIN_SEED
"""The random encoder is drawn with the run's seed plus this, so it is not the trained one's start."""


def build(settings: RunSettings, shape: tuple[int, int, int], *, seed: int | None = None) -> Method:
    """Networks and method of a run for images of `shape`; weights depend on the seed alone.

    The encoder is made for the clean images' side. Smaller views go in as they are: they cost less, and
    features of the larger clean images gain from it (Touvron et al. 2019, arXiv:1906.06423). Where views are
    larger, the encoder brings clean images to their side; docs/decisions/0001 has the numbers.
    """
    channels, height, width = shape
    side, views = min(height, width), settings.policy.size
    encoder_settings = settings.encoder
    if views is not None and views > side and encoder_settings.resize is None:
        encoder_settings = replace(encoder_settings, resize=views)
    with drawn_from(settings.training.seed if seed is None else seed):
        encoder = build_encoder(encoder_settings, channels=channels, size=side)
        if views is not None:
            encoder.check_size(views)
        return build_method(settings.method, encoder)
