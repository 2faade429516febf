"""The small network of the advisor of sentences: a mean of token vectors, learnt from in seconds."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.draws import DrawKey, permutation
from contrascope.intervals import generator
from contrascope.losses.info_nce import info_nce
from contrascope.precision import single_precision
from contrascope.text.dropout import kept
from contrascope.text.packed import KEY, TOKEN, real
from contrascope.text.policy import TextPolicy
from contrascope.text.ragged import Ragged
from contrascope.text.views import clean_view, make_text_views
from contrascope.text.vocabulary import Vocabulary

TEMPERATURE, DROPOUT, RATE, STD = 0.05, 0.1, 3e-3, 0.1
"""Of the short trainings; STD is that of random token vectors, which some tens of steps at this rate turn."""


class WordMean(nn.Module):
    """Packed sentences to the mean of their tokens' vectors, special ones left out; dropout is keyed.

    It knows no order of words: what it learns is which words count, and which stand for each other.
    """

    def __init__(self, size: int, width: int, *, seed: int) -> None:
        super().__init__()
        drawn = torch.randn(size, width, generator=generator(seed, "word mean"), dtype=torch.float32)
        self.tokens = nn.Embedding(size, width, _weight=STD * drawn)

    def forward(self, sentences: Int[Tensor, "batch length fields"]) -> Float[Tensor, "batch width"]:
        stands = real(sentences)
        stands[:, 0] = False
        stands[torch.arange(len(stands)), stands.long().cumsum(1).argmax(1)] = False  # the last real one
        total = (self.tokens(sentences[..., TOKEN]) * stands[..., None]).sum(1)
        mean = total / stands.sum(1, keepdim=True).clamp_min(1)
        if not self.training:
            return mean
        return mean * kept(sentences[:, 0, KEY], share=DROPOUT, site=0, width=mean.shape[1], per=1)[:, 0]


@single_precision()
def learnt(
    rows: Ragged,
    policy: TextPolicy,
    vocabulary: Vocabulary,
    *,
    width: int,
    steps: int,
    batch: int,
    seed: int,
) -> WordMean:
    """The small network after so many steps of SimCSE's loss on two views by this policy; a function of its arguments.

    With 0 steps the weights are random.
    """
    network = WordMean(vocabulary.size, width, seed=seed).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    per_epoch = max(1, len(rows) // batch)
    order = torch.arange(0)
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            order = permutation(DrawKey(seed=seed, epoch=epoch, ids=torch.arange(len(rows))))
        ids = order[place * batch : (place + 1) * batch]
        columns = [rows.padded(ids, fill=vocabulary.pad)]
        views, _ = make_text_views(columns, (policy,), vocabulary, ids=ids, seed=seed, epoch=epoch)
        z = torch.stack([network(view) for view in views])
        optimiser.zero_grad()
        info_nce(z, temperature=TEMPERATURE, positives="average-asymmetric").total.backward()
        optimiser.step()
    return network.eval()


@torch.no_grad()
def rows_by(network: WordMean, rows: Ragged, vocabulary: Vocabulary) -> Float[Tensor, "n width"]:
    """Vectors of texts as they are."""
    parts = torch.arange(len(rows)).split(512)
    return torch.cat(
        [network(clean_view(rows.padded(ids, fill=vocabulary.pad), vocabulary)) for ids in parts]
    )
