"""One way in for text encoders: a run on sentences, or a model of the hub or of a local folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from contrascope import records
from contrascope.encoders.twin import random_twin
from contrascope.errors import InputError
from contrascope.methods.settings import MethodSettings
from contrascope.runs.text_load import HUB, TextRun, load_text_run, random_twin_of_text, tokenizer_of
from contrascope.runs.text_settings import TextRunSettings
from contrascope.settings import kind_of
from contrascope.text.encoder import TextEncoder, build_text_encoder, text_encoder
from contrascope.text.settings import TextDataSettings, TextEncoderSettings, TextPool, TextViewSettings
from contrascope.text.tokenizer import TextTokenizer

HUB_LENGTH = 128
"""Tokens of a sentence for an encoder that was not trained here."""


@dataclass(frozen=True, kw_only=True)
class TextSubject:
    """A text encoder with what belongs to it."""

    name: str
    """How it was called."""
    encoder: TextEncoder
    tokenizer: TextTokenizer
    max_length: int
    """Tokens of a sentence that it sees."""
    draw_twin: Callable[[], TextEncoder | None]
    """Makes the random twin."""
    data: TextDataSettings = TextDataSettings()  # noqa: RUF009
    """What it was trained on."""
    views: TextViewSettings = TextViewSettings()  # noqa: RUF009
    """What made its views."""
    seed: int = 0
    method: MethodSettings | None = None
    """How it was trained."""
    run: TextRun | None = None
    """The run, if it is one."""

    @cached_property
    def twin(self) -> TextEncoder | None:
        """The same network with random weights; None where there is none."""
        return self.draw_twin()


def is_text(thing: str) -> bool:
    """Whether a word names a run on sentences."""
    folder = Path(thing).expanduser()
    if not (folder / records.SETTINGS).is_file():
        return False
    tree = records.read_settings(folder)
    return isinstance(tree, dict) and tree.get("kind") == kind_of(TextRunSettings)


def is_of_sentences(thing: str, source: str | None) -> bool:
    """Whether a subject is of sentences: a run on them, or hf:NAME with a file of lines or of JSON lines."""
    lines = source is not None and Path(source).suffix in (".txt", ".jsonl")
    return is_text(thing) or (thing.startswith(HUB) and lines)


def open_text_subject(
    thing: str, *, step: int | None = None, pool: TextPool | None = None, vocabulary: str = ""
) -> TextSubject:
    """A run's folder, or hf:NAME; `pool` in place of its own, `vocabulary` for a model without a tokeniser."""
    if thing.startswith(HUB):
        opened = _of_hub(thing, vocabulary)
    elif is_text(thing):
        opened = _of_run(load_text_run(Path(thing).expanduser(), step=step))
    else:
        raise InputError(
            f"{thing!r} is no text encoder; expected the folder of a run on sentences, or hf:NAME, a model of the hub "
            "or of a local folder."
        )
    if pool is not None:
        opened.encoder.pool = pool
    return opened


def _of_run(run: TextRun) -> TextSubject:
    def twin() -> TextEncoder:
        drawn = text_encoder(random_twin_of_text(run).encoder, method=str(run.path))
        drawn.pool = run.encoder.pool
        return drawn

    settings = run.settings
    return TextSubject(
        name=str(run.path),
        encoder=run.encoder.eval(),
        tokenizer=run.tokenizer,
        max_length=settings.data.max_length,
        draw_twin=twin,
        data=settings.data,
        views=settings.views,
        seed=settings.training.seed,
        method=settings.method,
        run=run,
    )


def _of_hub(name: str, vocabulary: str) -> TextSubject:
    settings = TextEncoderSettings(name=name, vocabulary=vocabulary)
    tokenizer = tokenizer_of(settings)
    encoder = build_text_encoder(settings, tokenizer.vocabulary).eval()

    def twin() -> TextEncoder | None:
        trunk = random_twin(encoder.trunk)
        return None if trunk is None else TextEncoder(trunk, tokenizer.vocabulary, pool=encoder.pool).eval()

    return TextSubject(name=name, encoder=encoder, tokenizer=tokenizer, max_length=HUB_LENGTH, draw_twin=twin)
