"""What finds hidden tokens from their states, and the loss of finding them."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.distributed import all_reduce_sum, world_size
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.methods.views import ViewBatch
from contrascope.text.encoder import TextEncoder
from contrascope.text.masking import SEEN
from contrascope.text.transformer import TokenStates


class MaskedHead(nn.Module):
    """Linear, GELU, norm, and a product with the embeddings of all ids, which are the encoder's own."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.turn, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)
        self.bias = nn.Parameter(torch.zeros(size, dtype=torch.float32))

    @torch.no_grad()
    def count(self, counts: Int[Tensor, " size"]) -> None:
        """Begins at what the counts of the corpus alone say: the logarithm of each id's share, half a time for none.

        Without it the first hundreds of steps learn these shares, through the embeddings, and draw them together.
        """
        share = (counts.to(torch.float64) + 0.5) / (counts.sum() + 0.5 * len(counts))
        self.bias.copy_(share.log())

    def forward(
        self, states: Float[Tensor, "n dim"], weight: Float[Tensor, "size dim"]
    ) -> Float[Tensor, "n size"]:
        return F.linear(self.norm(F.gelu(self.turn(states))), weight, self.bias)


class MaskedFound(NamedTuple):
    """What came of finding the hidden tokens of a batch."""

    loss: Float[Tensor, " batch"]
    """Each sentence's share: their mean, averaged over processes, is the mean cross-entropy of all hidden tokens."""
    states: TokenStates
    """States of the sentences that it saw."""
    accuracy: Float[Tensor, ""]
    """Share of the hidden tokens that it finds."""


def masked_loss(
    logits: Float[Tensor, "n size"], targets: Int[Tensor, " n"], sentence: Int[Tensor, " n"], batch: int
) -> Float[Tensor, " batch"]:
    """Cross-entropy in nats of hidden tokens, shared out over the sentences that they are of.

    The mean over sentences, and over processes, is the mean over all hidden tokens of the joined batch, as BERT's is.

    >>> masked_loss(torch.zeros(3, 4), torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), 2).mean().exp().item()
    4.0
    """
    each = F.cross_entropy(at_least_single(logits), targets, reduction="none")
    count = all_reduce_sum(each.new_tensor(float(len(each)))) / world_size()
    sums = each.new_zeros(batch).index_add(0, sentence, each)
    return sums * (batch / count.clamp_min(1))


def find_masked(
    encoder: TextEncoder,
    head: MaskedHead,
    sentences: Int[Tensor, "batch length fields"],
    targets: Int[Tensor, "batch length"],
) -> MaskedFound:
    """The loss of these sentences with hidden tokens, the softmax at the hidden places alone."""
    states = encoder.states(sentences)
    hidden = targets != SEEN
    logits = head(states.last[hidden], encoder.trunk.token_weight)
    sentence = hidden.nonzero()[:, 0]
    with torch.autocast(logits.device.type, enabled=False):
        loss = masked_loss(logits, targets[hidden], sentence, len(sentences))
    accuracy = (logits.detach().argmax(1) == targets[hidden]).float().mean()
    return MaskedFound(loss=loss, states=states, accuracy=accuracy)


def masked_group(views: ViewBatch, group: int) -> tuple[Tensor, Tensor]:
    """The sentences [views batch length fields] and targets of a group that the plan asked to be hidden."""
    targets = views.targets[group] if len(views.targets) > group else None
    if targets is None:
        raise InputError(
            "masked-language modelling got sentences without hidden tokens; give the method views by its plan."
        )
    return views.groups[group], targets
