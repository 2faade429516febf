"""Networks and method of a run, from its settings alone."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from contrascope.encoders.build import build_encoder
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.named import same_pooling
from contrascope.encoders.twin import TWIN_SEED, drawn_from
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.runs.settings import RunSettings

RANDOM_SEED_OFFSET = TWIN_SEED
"""The random encoder is drawn with the run's seed plus this, so it is not the trained one's start."""


@contextlib.contextmanager
def possible(settings: RunSettings) -> Iterator[None]:
    """Widths of which no network can be made, too large for any memory say, end in a sentence.

    What a module of the user's own raises stays as it is.
    """
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        if ":" in settings.encoder.name:
            raise
        why = str(error).partition("\n")[0][:200]
        raise InputError(
            f"no network can be made of these settings of encoder and method ({why}). Correct their sizes."
        ) from error


def build_twin(settings: RunSettings, shape: tuple[int, int, int]) -> Method:
    """The run's networks with random weights that no training touched, in evaluation mode.

    Published weights are left out; that they change how images are normalised and tokens pooled is not.
    """
    seed = settings.training.seed + RANDOM_SEED_OFFSET
    if not settings.encoder.pretrained:
        return build(settings, shape, seed=seed).eval()
    like = build(settings, shape).encoder
    assert isinstance(like, Encoder)
    mean, std = (tuple(values.flatten().tolist()) for values in (like.mean, like.std))
    plain = replace(settings.encoder, pretrained=False, mean=mean, std=std)
    twin = build(replace(settings, encoder=plain), shape, seed=seed)
    assert isinstance(twin.encoder, Encoder)
    same_pooling(twin.encoder, like)
    return twin.eval()


def build(
    settings: RunSettings,
    shape: tuple[int, int, int],
    *,
    seed: int | None = None,
    start: Callable[[Encoder], None] | None = None,
) -> Method:
    """Networks and method of a run for images of `shape`; weights depend on the seed alone.

    The encoder is made for the clean images' side. Smaller views go in as they are: they cost less, and
    features of the larger clean images gain from it (Touvron et al. 2019, arXiv:1906.06423). Where views are
    larger, the encoder brings clean images to their side; docs/decisions/0001 has the numbers.

    `start` is handed the encoder before the method is made of it, to give it other weights; nothing is drawn anew.
    """
    channels, height, width = shape
    side, views = min(height, width), settings.policy.size
    encoder_settings = settings.encoder
    if views is not None and views > side and encoder_settings.resize is None:
        encoder_settings = replace(encoder_settings, resize=views)
    with drawn_from(settings.training.seed if seed is None else seed), possible(settings):
        encoder = build_encoder(encoder_settings, channels=channels, size=side)
        for asked in (views, settings.schedule.early_size):
            if asked is not None:
                encoder.check_size(asked)
        if start is not None:
            start(encoder)
        return build_method(settings.method, encoder)
