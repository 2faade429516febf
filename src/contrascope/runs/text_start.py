"""What a run on sentences trains: texts, tokeniser, views and networks, built before anything is written."""

from dataclasses import dataclass
from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.runs.claim import check_count
from contrascope.runs.text_load import begin_from, build_text, count_tokens, tokenizer_of
from contrascope.runs.text_settings import TextRunSettings
from contrascope.text.policy import TextPolicy, build_text_policies
from contrascope.text.sentences import Sentences, open_sentences
from contrascope.text.tokenizer import TextTokenizer
from contrascope.training.text_views import TextViews, text_views


@dataclass(frozen=True, kw_only=True, eq=False)
class TextStart:
    """All that a training on sentences needs beside its settings."""

    sentences: Sentences
    tokenizer: TextTokenizer
    policies: tuple[TextPolicy, ...]
    """What makes the views, besides dropout."""
    method: Method
    """Networks and loss."""
    views: TextViews
    """Makes the views that the method asks for."""


def text_start(settings: TextRunSettings, out: Path) -> TextStart:
    """Sentences that the settings name; a run that has not begun takes the weights of `encoder.start`.

    Raises `InputError` where no sentences are named, or where they cannot be read.
    """
    if not settings.data.source:
        raise InputError("no sentences are named; give data.source, a file or a folder.")
    tokenizer = tokenizer_of(settings.encoder, out)
    policies = build_text_policies(settings.views, tokenizer)
    sentences = open_sentences(settings.data, tokenizer)
    check_count(sentences)
    method = build_text(settings, tokenizer)
    count_tokens(method, sentences.counts(tokenizer.vocabulary.size))
    if settings.encoder.start and not records.checkpoint_folders(out):
        begin_from(method, settings.encoder.start)
    views = text_views(
        method,
        policies,
        tokenizer.vocabulary,
        num_views=settings.training.num_views,
        seed=settings.training.seed,
        same_mask=settings.views.same_mask,
    )
    return TextStart(sentences=sentences, tokenizer=tokenizer, policies=policies, method=method, views=views)
