"""Masked-language modelling as a method of its own: what the others may begin with."""

from torch import nn

from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.text.masked_head import MaskedHead, find_masked, masked_group
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.text.encoder import text_encoder
from contrascope.text.masking import MaskTokens


class MLM(Method):
    """Hidden tokens are found from the states around them; the output's weights are the embeddings (tied).

    The alignment is a sentence's share of the mean cross-entropy, in nats; there is no spread. h is the pooled vector
    of the sentence that was seen, hidden tokens included.
    """

    def __init__(self, encoder: nn.Module, settings: MLMSettings) -> None:
        super().__init__(encoder)
        self.text = MaskTokens(vocabulary=text_encoder(encoder, method="mlm").vocabulary, rate=settings.rate)
        self.head = MaskedHead(self.dim, self.text.vocabulary.size)

    def plan(self, num_views: int) -> ViewPlan:
        return ViewPlan(groups=(Group(count=1, pair=self.text),))

    def step(self, views: ViewBatch) -> StepOutput:
        encoder = text_encoder(self.encoder, method="mlm")
        sentences, targets = masked_group(views, 0)
        found = find_masked(encoder, self.head, sentences[0], targets[0])
        self.note(masked_accuracy=found.accuracy)
        h = encoder.pooled(found.states, sentences[0])
        return StepOutput(
            terms=LossTerms(align=found.loss, spread=found.loss.new_zeros(())), h=h.detach()[None]
        )

    def couples(self) -> str:
        return "masked-language modelling averages over the hidden tokens of the whole batch"
