"""From sentences to the views that a method asks for."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.draws import DrawKey
from contrascope.methods.base import Method
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.text.packed import packed, stacked, text_rows
from contrascope.text.policy import TextPolicy
from contrascope.text.sentences import Rows
from contrascope.text.spans import ANCHOR, draw_spans, span_rows
from contrascope.text.views import SPANS, dropout_keys, make_text_views
from contrascope.text.vocabulary import Vocabulary
from contrascope.training.views import PAIR


class TextViews:
    """Views of sentences by policies, keyed by seed, epoch, id and view: the same in any batch.

    >>> some = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "word"])
    >>> maker = TextViews(((),), ViewPlan(groups=(Group(count=2),)), some, seed=0)
    >>> rows = (torch.tensor([[4, 4]]), torch.tensor([2]))
    >>> maker((rows,), ids=torch.arange(1), epoch=0).only.shape
    torch.Size([2, 1, 4, 4])
    """

    def __init__(
        self,
        policies: tuple[TextPolicy, ...],
        plan: ViewPlan,
        vocabulary: Vocabulary,
        *,
        seed: int,
        same_mask: bool = False,
    ) -> None:
        self.policies, self.plan, self.vocabulary = policies, plan, vocabulary
        self.seed, self.same_mask = seed, same_mask

    def __call__(self, items: tuple[Rows, ...], *, ids: Int[Tensor, " batch"], epoch: int) -> ViewBatch:
        groups, targets, first = [], [], 0
        for group in self.plan.groups:
            key = DrawKey(seed=self.seed, epoch=epoch, ids=ids)
            views = (
                self._spans(group, items, key, first)
                if group.spans
                else self._views(group, items, key, first)
            )
            target = None
            if group.pair is not None:
                keys = [
                    DrawKey(seed=self.seed, epoch=epoch, ids=ids, view=first + n) for n in range(group.count)
                ]
                pairs = [group.pair(view, key.at(PAIR)) for view, key in zip(views, keys, strict=True)]
                views, target = (torch.stack(list(each)) for each in zip(*pairs, strict=True))
            groups.append(views)
            targets.append(target)
            first += group.count
        return ViewBatch(groups=tuple(groups), ids=ids, targets=tuple(targets))

    def _views(self, group: Group, items: tuple[Rows, ...], key: DrawKey, first: int) -> Tensor:
        """A group with a role of its own sees the sentences of the first column as they are."""
        plain: dict[str, Any] = {"ids": key.ids, "seed": key.seed, "epoch": key.epoch, "first_view": first}
        columns, policies = (items[:1], ((),)) if group.role else (items, self.policies)
        views, _ = make_text_views(
            columns, policies, self.vocabulary, num_views=group.count, same_mask=self.same_mask, **plain
        )
        return views

    def _spans(self, group: Group, items: tuple[Rows, ...], key: DrawKey, first: int) -> Tensor:
        """Anchors and positives are drawn together, by one key, whichever of them is asked for."""
        assert group.spans is not None
        tokens, lengths = items[0]
        anchors, positives = draw_spans(key.at(SPANS), lengths, group.spans)
        places = anchors if group.role == ANCHOR else positives
        views = []
        for number, (starts, long) in enumerate(zip(*places, strict=True)):
            keys = dropout_keys(DrawKey(seed=key.seed, epoch=key.epoch, ids=key.ids, view=first + number))
            rows = span_rows(text_rows(tokens, lengths), starts, long)
            some = self.vocabulary
            views.append(packed(rows, first=some.cls, last=some.sep, pad=some.pad, keys=keys))
        return stacked(views, pad=self.vocabulary.pad)


def text_views(
    method: Method,
    policies: tuple[TextPolicy, ...],
    vocabulary: Vocabulary,
    *,
    num_views: int,
    seed: int,
    same_mask: bool = False,
) -> TextViews:
    """The views of sentences that the method asks for."""
    return TextViews(policies, method.plan(num_views), vocabulary, seed=seed, same_mask=same_mask)
