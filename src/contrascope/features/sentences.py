"""Sentences to vectors by a frozen encoder."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.features.embed import device_of
from contrascope.progress import Progress, silent
from contrascope.text.encoder import TextEncoder
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import SPECIALS
from contrascope.text.tokenizer import TextTokenizer
from contrascope.text.views import clean_view

BATCH = 128
"""Sentences of one pass."""


@torch.no_grad()
def embed_rows(
    encoder: TextEncoder, rows: Ragged, *, max_length: int, batch: int = BATCH, progress: Progress = silent
) -> Float[Tensor, "n dim"]:
    """H of each text in evaluation mode, on the CPU; the mode of the encoder stays as it was.

    Texts of like length share a pass. What is longer than `max_length` tokens, special ones included, is cut off.
    """
    rows, was = rows.cut(max_length - SPECIALS), encoder.training
    device, order = device_of(encoder), rows.lengths.argsort(stable=True)
    found = torch.zeros(len(rows), encoder.dim, dtype=torch.float32)
    encoder.eval()
    try:
        for done, ids in enumerate(order.split(batch), start=1):
            h = encoder(
                clean_view(rows.padded(ids, fill=encoder.vocabulary.pad), encoder.vocabulary).to(device)
            )
            found[ids] = h.cpu()
            progress(min(done * batch, len(rows)), len(rows))
    finally:
        encoder.train(was)
    return found


def embed_texts(
    encoder: TextEncoder,
    tokenizer: TextTokenizer,
    texts: Sequence[str],
    *,
    max_length: int,
    progress: Progress = silent,
) -> Float[Tensor, "n dim"]:
    """The same of texts."""
    return embed_rows(encoder, tokenizer.encode(texts), max_length=max_length, progress=progress)
