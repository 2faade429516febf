"""What every encoder of sentences is shown: fixed views, and the two halves of each sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.diagnosis.sentences.learning import TextLearning, text_learning
from contrascope.draws import PROBE_EPOCH
from contrascope.features.embed import device_of
from contrascope.features.sentences import embed_rows
from contrascope.progress import Passes, Progress, silent
from contrascope.text.bags import corpus_counts, counts_of
from contrascope.text.encoder import TextEncoder
from contrascope.text.policy import TextPolicy
from contrascope.text.ragged import Ragged
from contrascope.text.views import make_text_views

BATCH = 128
"""Sentences of one pass."""
LEAST_WORDS, LEAST_TEXTS = 6, 16
"""Tokens of a sentence that can be halved; sentences below which nothing is measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownSentences:
    """Fixed sentences and what makes their views: the same for every encoder and at every look.

    >>> rows = Ragged.of(torch.tensor([4, 5, 6]), torch.tensor([2, 1]))
    >>> shown = ShownSentences(columns=(rows,), policies=((),))
    >>> [half.lengths.tolist() for half in shown.halves]
    [[1, 0], [1, 1]]
    """

    columns: tuple[Ragged, ...]
    """Ids of the texts; view v is of column v, or of the last one."""
    policies: tuple[TextPolicy, ...]
    """What makes the views, besides dropout."""
    num_views: int = 2
    seed: int = 0
    """Of the views."""
    same_mask: bool = False
    """One dropout mask for all views of a sentence."""

    @cached_property
    def halves(self) -> tuple[Ragged, Ragged]:
        """The tokens before the middle of each text of the first column, and those after it."""
        rows = self.columns[0]
        place = torch.arange(len(rows.values)) - rows.starts[:-1].repeat_interleave(rows.lengths)
        middle = rows.lengths // 2
        before = place < middle.repeat_interleave(rows.lengths)
        return Ragged.of(rows.values[before], middle), Ragged.of(rows.values[~before], rows.lengths - middle)

    def counted(self, size: int) -> Float[Tensor, "two n words"]:
        """TF-IDF of both halves, of those of `size` ids that come, counted on these sentences."""
        rows = self.columns[0]
        used = rows.values.long().unique()
        idf = torch.from_numpy(corpus_counts(rows, size=size).idf)[used]
        words = [
            torch.from_numpy(counts_of(each, size=size)[:, used.numpy()].toarray()) for each in self.halves
        ]
        return (torch.stack(words) * idf).float()


@torch.no_grad()
def view_rows(
    encoder: TextEncoder,
    projector: nn.Module | None,
    shown: ShownSentences,
    *,
    dropping: bool,
    progress: Progress = silent,
) -> tuple[Float[Tensor, "views n dim"], Float[Tensor, "views n out"] | None]:
    """H and z of the fixed views, on the CPU; with `dropping` the encoder drops as in training.

    The modes of both networks stay as they were.
    """
    both = (encoder,) if projector is None else (encoder, projector)
    was = [(part, part.training) for module in both for part in module.modules()]
    device, size = device_of(encoder), len(shown.columns[0])
    found_h, found_z = [], []
    try:
        encoder.train(dropping)
        if projector is not None:
            projector.eval()
        for ids in torch.arange(size).split(BATCH):
            made, _ = make_text_views(
                [column.padded(ids, fill=encoder.vocabulary.pad) for column in shown.columns],
                shown.policies,
                encoder.vocabulary,
                ids=ids,
                seed=shown.seed,
                epoch=PROBE_EPOCH,
                num_views=shown.num_views,
                same_mask=shown.same_mask,
            )
            h = torch.stack([encoder(view.to(device)) for view in made])
            found_h.append(h.float().cpu())
            if projector is not None:
                found_z.append(torch.stack([projector(view) for view in h]).float().cpu())
            progress(int(ids[-1]) + 1, size)
    finally:
        for part, mode in was:
            part.training = mode
    return torch.cat(found_h, dim=1), torch.cat(found_z, dim=1) if found_z else None


def half_rows(
    encoder: TextEncoder, halves: Sequence[Ragged], *, max_length: int, progress: Progress = silent
) -> Float[Tensor, "two n dim"]:
    """H of both halves, the encoder at rest."""
    passes = Passes(progress, total=sum(map(len, halves)))
    return torch.stack(
        [embed_rows(encoder, each, max_length=max_length, progress=passes.next(len(each))) for each in halves]
    )


def learning_on(
    shown: ShownSentences,
    mine: Float[Tensor, "two n dim"],
    twin: Float[Tensor, "two n other"],
    *,
    size: int,
    equal: float | None,
    draws: int,
) -> TextLearning:
    """Whether the halves find each other more often than with random weights, and than by TF-IDF."""
    return text_learning(mine, twin, shown.counted(size), equal=equal, draws=draws)
