"""DeCLUTR: an anchor span of a document against the mean of spans near it."""

import torch
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.text.declutr_settings import DeCLUTRSettings
from contrascope.methods.text.masked_head import MaskedFound, MaskedHead, find_masked, masked_group
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.text.encoder import text_encoder
from contrascope.text.masking import MaskTokens
from contrascope.text.spans import ANCHOR, POSITIVE


class DeCLUTR(Method):
    """NT-Xent of anchors and of the mean embedding of their positives, without a head, plus hidden tokens.

    The anchors that hide tokens are the ones that are embedded, in one pass, as in the released code; another anchor of
    the same document is a negative like any other, and the hardest. Rows of h are anchors, view 2 is the mean of their
    positives.
    """

    def __init__(self, encoder: nn.Module, settings: DeCLUTRSettings) -> None:
        super().__init__(encoder)
        self.settings = settings
        vocabulary = text_encoder(encoder, method="declutr").vocabulary
        self.masking = MaskTokens(vocabulary=vocabulary, rate=settings.mlm_rate) if settings.mlm else None
        self.head = MaskedHead(self.dim, vocabulary.size) if settings.mlm else None

    def plan(self, num_views: int) -> ViewPlan:
        spans = self.settings.spans
        anchors = Group(count=spans.anchors, pair=self.masking, role=ANCHOR, spans=spans)
        positives = Group(count=spans.anchors * spans.positives, role=POSITIVE, spans=spans)
        return ViewPlan(groups=(anchors, positives))

    def step(self, views: ViewBatch) -> StepOutput:
        anchors, found = self._anchors(views)
        positives = self.encoder(views.groups[1].flatten(0, 1)).unflatten(0, (len(views.groups[0]), -1))
        near = positives.unflatten(1, (self.settings.spans.positives, -1)).mean(1)
        h = torch.stack([anchors, near.flatten(0, 1)])
        terms = nt_xent(gather_batch(h), temperature=self.settings.temperature)
        if found is not None:
            self.note(masked_loss=found.loss.mean(), masked_accuracy=found.accuracy)
            beside = self.settings.mlm * found.loss.mean()
            terms = LossTerms(align=terms.align, spread=terms.spread, beside=beside)
        return StepOutput(terms=terms, h=h.detach())

    def _anchors(self, views: ViewBatch) -> tuple[Tensor, MaskedFound | None]:
        encoder = text_encoder(self.encoder, method="declutr")
        if self.head is None:
            return encoder(views.groups[0].flatten(0, 1)), None
        sentences, targets = (each.flatten(0, 1) for each in masked_group(views, 0))
        found = find_masked(encoder, self.head, sentences, targets)
        return encoder.pooled(found.states, sentences), found

    def couples(self) -> str:
        return "the loss nt_xent compares the spans of a batch with each other"
