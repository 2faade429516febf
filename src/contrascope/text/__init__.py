"""Sentences: sources, tokens, keyed views, and encoders of them; it knows nothing of images."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.text.encoder import TextEncoder as TextEncoder
    from contrascope.text.encoder import build_text_encoder as build_text_encoder
    from contrascope.text.policy import build_text_policies as build_text_policies
    from contrascope.text.sentences import Sentences as Sentences
    from contrascope.text.sentences import from_texts as from_texts
    from contrascope.text.sentences import open_sentences as open_sentences
    from contrascope.text.settings import SpanSettings as SpanSettings
    from contrascope.text.settings import TextDataSettings as TextDataSettings
    from contrascope.text.settings import TextEncoderSettings as TextEncoderSettings
    from contrascope.text.settings import TextViewSettings as TextViewSettings
    from contrascope.text.tokenizer import load_tokenizer as load_tokenizer
    from contrascope.text.views import make_text_views as make_text_views
    from contrascope.text.views import replay_text as replay_text

__getattr__ = attach(
    __name__,
    {
        "TextEncoder": "encoder",
        "build_text_encoder": "encoder",
        "build_text_policies": "policy",
        "Sentences": "sentences",
        "from_texts": "sentences",
        "open_sentences": "sentences",
        "SpanSettings": "settings",
        "TextDataSettings": "settings",
        "TextEncoderSettings": "settings",
        "TextViewSettings": "settings",
        "load_tokenizer": "tokenizer",
        "make_text_views": "views",
        "replay_text": "views",
    },
)
