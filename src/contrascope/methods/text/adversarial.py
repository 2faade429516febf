"""ConSERT's adversarial view, without labels: tokens of view 1 move to where the method's own loss is larger."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.terms import LossTerms
from contrascope.methods.views import ViewBatch
from contrascope.text.encoder import TextEncoder
from contrascope.text.packed import real
from contrascope.text.transformer import TextTransformer


@runtime_checkable
class Contrasts(Protocol):
    """What the gradient is taken of: a method that embeds views and compares them."""

    def embed(self, views: ViewBatch) -> tuple[Tensor, Tensor]: ...

    def seen(self, views: ViewBatch) -> Shaped[Tensor, "views batch ..."]: ...

    def terms(self, z: Tensor, target: Tensor | None) -> LossTerms: ...


def trunk_of(encoder: TextEncoder) -> TextTransformer:
    """The network whose embeddings can be moved; refuses one of another library."""
    if not isinstance(encoder.trunk, TextTransformer):
        raise InputError(
            "method.adversarial moves embeddings inside the network of ours; set it to 0 for hf: models."
        )
    return encoder.trunk


def adversarial_offset(
    method: Contrasts, encoder: TextEncoder, views: ViewBatch, *, size: float
) -> Float[Tensor, "rows length dim"]:
    """What is added to the embeddings of all views: on view 1 `size` times the unit gradient of each token, else 0.

    The gradient is that of this method's whole loss on these very views, with their masks of dropout, at weights as
    they stand; so it replays with them. ConSERT (Yan et al. 2021, section 3.2) takes the gradient of its supervised
    loss, which needs labels. A token whose gradient is zero stays. It costs one more pass forwards and back.
    """
    trunk, seen = trunk_of(encoder), method.seen(views)
    still = trunk.token_weight.new_zeros(*seen.shape[:3], trunk.dim).requires_grad_()
    with trunk.moved(still.flatten(0, 1)):
        _, z = method.embed(views)
    (steep,) = torch.autograd.grad(method.terms(z, None).total, still)
    steep = at_least_single(steep[0])
    length = steep.norm(dim=-1, keepdim=True)
    unit = torch.where(length > 0, steep / length, 0.0) * real(seen[0])[..., None]
    moved = torch.zeros_like(still, requires_grad=False)
    moved[0] = size * unit.to(moved.dtype)
    return moved.flatten(0, 1)
