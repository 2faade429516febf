"""Sentences against the others of their batch: one network, a loss of z, and hidden tokens beside it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.info_nce import info_nce
from contrascope.losses.pairs import views_that_count
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import StepOutput
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.text.adversarial import adversarial_offset, trunk_of
from contrascope.methods.text.contrast_settings import TextContrastSettings
from contrascope.methods.text.masked_head import MaskedHead, find_masked, masked_group
from contrascope.methods.text.simcse_supervised_settings import SupervisedSimCSESettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.text.encoder import text_encoder
from contrascope.text.masking import MaskTokens

MASKED = "masked"
"""Role of the group whose tokens are hidden: the sentence as it is."""


class TextContrast(JointEmbedding):
    """What SimCSE, ConSERT and CLEAR share: they differ in views, loss, head and the weight of hidden tokens.

    Masked-language modelling is a term beside the two halves of the loss, never part of them: `terms.beside`.
    """

    def __init__(self, encoder: nn.Module, settings: TextContrastSettings) -> None:
        super().__init__(encoder, settings)
        self.settings = settings
        network = text_encoder(encoder, method=self.loss_name)
        vocabulary = network.vocabulary
        if settings.adversarial:
            trunk_of(network)
        self.masking = MaskTokens(vocabulary=vocabulary, rate=settings.mlm_rate) if settings.mlm else None
        self.head = MaskedHead(self.dim, vocabulary.size) if settings.mlm else None

    def plan(self, num_views: int) -> ViewPlan:
        groups = (Group(count=num_views),)
        if self.masking is not None:
            groups += (Group(count=1, pair=self.masking, role=MASKED),)
        return ViewPlan(groups=groups)

    def seen(self, views: ViewBatch) -> Shaped[Tensor, "views batch ..."]:
        return views.groups[0][: views_that_count(len(views.groups[0]), self.positives)]

    def step(self, views: ViewBatch) -> StepOutput:
        with self._moved(views):
            out = super().step(views)
        if self.head is None or len(views.groups) == 1:  # measured on views alone
            return out
        sentences, targets = masked_group(views, 1)
        encoder = text_encoder(self.encoder, method=self.loss_name)
        found = find_masked(encoder, self.head, sentences[0], targets[0])
        self.note(masked_loss=found.loss.mean(), masked_accuracy=found.accuracy)
        beside = self.settings.mlm * found.loss.mean()
        return replace(out, terms=replace(out.terms, beside=beside))

    def _moved(self, views: ViewBatch) -> AbstractContextManager[None]:
        """A block in which the embeddings of view 1 are moved; nothing is while a method is measured."""
        size = self.settings.adversarial
        if not (size and self.training and torch.is_grad_enabled()):
            return nullcontext()
        encoder = text_encoder(self.encoder, method=self.loss_name)
        return trunk_of(encoder).moved(adversarial_offset(self, encoder, views, size=size))

    def weighted(self, terms: LossTerms) -> LossTerms:
        """Both halves times the weight of the settings."""
        weight = self.settings.weight
        return LossTerms(align=weight * terms.align, spread=weight * terms.spread)

    def parts_problem(self) -> str | None:
        if self.head is not None:
            return "masked-language modelling averages over the hidden tokens of the whole batch; set method.mlm to 0"
        if self.settings.adversarial:
            return (
                "the adversarial view follows from the loss of the whole batch; set method.adversarial to 0"
            )
        return None


class BatchContrast(TextContrast):
    """NT-Xent, as images have it."""

    loss_name = "nt_xent"

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        settings = self.settings
        return self.weighted(
            nt_xent(gather_batch(z), temperature=settings.temperature, positives=self.positives)
        )


class SimCSE(TextContrast):
    """The candidates of an anchor are the other views of the batch, its own among them."""

    loss_name = "info_nce"

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        settings = self.settings
        return self.weighted(
            info_nce(gather_batch(z), temperature=settings.temperature, positives=self.positives)
        )


class SupervisedSimCSE(TextContrast):
    """Views are the columns of the data: text, positive, and where there is a third one a hard negative."""

    loss_name = "info_nce"

    def __init__(self, encoder: nn.Module, settings: SupervisedSimCSESettings) -> None:
        super().__init__(encoder, settings)
        self.hard_weight = settings.hard_weight

    def seen(self, views: ViewBatch) -> Shaped[Tensor, "views batch ..."]:
        return views.groups[0][:3]

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        joined = gather_batch(z)
        return self.weighted(
            info_nce(
                joined[:2],
                hard=joined[2] if len(joined) > 2 else None,
                hard_weight=self.hard_weight,
                temperature=self.settings.temperature,
                positives=self.positives,
            )
        )
