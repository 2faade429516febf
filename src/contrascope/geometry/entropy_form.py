"""The InfoNCE of Cosentino et al. 2022 (arXiv:2205.06926), taken apart: bound, entropy form, displacements."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.negatives import Negatives, displacements, nearest_negatives
from contrascope.geometry.spans import require_rows
from contrascope.linalg import at_least_single, unit_rows
from contrascope.types import Scalar


@dataclass(frozen=True, kw_only=True)
class InfoNCE:
    """The paper's loss and its pieces, each a mean over the images' first views; differentiable.

    The positive is not in the denominator: this is the decoupled form, not NT-Xent, and it can be negative.
    """

    loss: Scalar
    """-beta s_i + log Z_i (eq. 1); Z_i sums exp(beta cosine) over both views of the other images."""
    invariance: Scalar
    """L_inv (eq. 4): minus the cosine of the two views, -1 to 1."""
    repulsion: Scalar
    """L_rep (eq. 5): the cosine of the nearest negative, -1 to 1."""
    expectation: Scalar
    """Mean cosine of the negatives under their softmax D, never above `repulsion`."""
    entropy: Scalar
    """Entropy of D in nats, 0 to log(2(N-1)); its exponential counts the negatives that matter."""
    beta: float
    """Inverse temperature."""
    images: int
    """N."""

    @property
    def log_count(self) -> float:
        """log(2(N-1)), the logarithm of the number of negatives."""
        return math.log(2 * (self.images - 1))

    @property
    def upper_bound(self) -> Scalar:
        """Proposition 3.1: beta L_inv + beta L_rep + log(2(N-1)), never below the loss."""
        return self.beta * (self.invariance + self.repulsion) + self.log_count

    @property
    def gap(self) -> Scalar:
        """Upper bound less loss, 0 to log(2(N-1)): how far the negatives are from being equally near."""
        return self.upper_bound - self.loss

    @property
    def entropy_form(self) -> Scalar:
        """Proposition C.1, equal to the loss: beta L_inv + beta E_D[cosine] + H(D).

        The paper's equation 13 prints a minus before the second term; its own proof has the plus.
        """
        return self.beta * (self.invariance + self.expectation) + self.entropy


def info_nce(z: Float[Tensor, "views n dim"], *, beta: float, chunk_rows: int = 256) -> InfoNCE:
    """The decoupled InfoNCE of projector outputs in two views, with its upper bound and entropy form.

    Rows are scaled to unit length here; a zero row has cosine 0 with everything. One direction, as printed:
    the first view is the anchor. The mean over both orders of the views is `decoupled` of `contrascope.losses`
    at temperature 1 / beta. The paper takes beta = 2. No more than `chunk_rows` x 2N similarities at once
    (but for what a gradient keeps); sums are in float64.

    >>> parts = info_nce(torch.ones(2, 4, 3).double(), beta=2.0)
    >>> round(parts.loss.exp().item(), 6), abs(round(parts.gap.item(), 6))
    (6.0, 0.0)
    """
    _check(z, beta, chunk_rows)
    bank = unit_rows(at_least_single(z.flatten(0, 1)))  # half precision would put the loss above its bound
    n = z.shape[1]
    positive = (bank[:n] * bank[n:]).sum(dim=1).double()
    parts = [_rows(similarity, beta) for similarity in _similarities(bank, n, chunk_rows)]
    return _joined(parts, positive, beta)


@torch.no_grad()
def info_nce_and_negatives(
    z: Float[Tensor, "views n dim"], *, beta: float, chunk_rows: int = 256
) -> tuple[InfoNCE, Negatives]:
    """`info_nce` and `nearest_negatives` of the same outputs, every cosine computed once; without a gradient.

    >>> parts, negatives = info_nce_and_negatives(torch.eye(3).expand(2, 3, 3), beta=2.0)
    >>> parts.invariance.item(), negatives.similarity.tolist()
    (-1.0, [0.0, 0.0, 0.0])
    """
    _check(z, beta, chunk_rows)
    z, n, parts = at_least_single(z), z.shape[1], []

    def see(start: int, cosines: Tensor) -> None:
        _take_out_own(cosines, start, n)
        parts.extend(_rows(some, beta) for some in cosines.split(chunk_rows))

    negatives = nearest_negatives(z, see=see)
    positive = (unit_rows(z[0]) * unit_rows(z[1])).sum(dim=1).double()
    return _joined(parts, positive, beta), negatives


def _joined(parts: list[tuple[Tensor, Tensor, Tensor]], positive: Tensor, beta: float) -> InfoNCE:
    log_total, expected, largest = (torch.cat(piece) for piece in zip(*parts, strict=True))
    return InfoNCE(
        loss=(log_total - beta * positive).mean(),
        invariance=-positive.mean(),
        repulsion=largest.mean(),
        expectation=expected.mean(),
        entropy=(log_total - beta * expected).mean(),
        beta=beta,
        images=len(positive),
    )


def _check(z: Tensor, beta: float, chunk_rows: int) -> None:
    if len(z) != 2 or z.shape[1] < 2:
        raise InputError(
            f"z has {len(z)} views of {z.shape[1]} images; expected 2 views of at least 2 images."
        )
    if not (math.isfinite(beta) and beta > 0) or chunk_rows < 1:
        raise InputError(f"beta={beta}, chunk_rows={chunk_rows}; expected both above 0 and finite.")
    require_rows(z.detach().flatten(0, 1), 1, "z")


def _take_out_own(cosines: Tensor, start: int, n: int) -> None:
    """Sets the cosines of anchors, from image `start` on, with the image's own two views to -inf, in place."""
    for first in (start, n + start):
        cosines[:, first : first + len(cosines)].fill_diagonal_(-math.inf)


def _similarities(bank: Tensor, n: int, chunk_rows: int) -> Iterator[Tensor]:
    """Cosines of some anchors with all views; the image's own two views have -inf."""
    for start in range(0, n, chunk_rows):
        stop = min(n, start + chunk_rows)
        own = torch.zeros(stop - start, 2 * n, dtype=torch.bool, device=bank.device)
        own[:, start:stop].fill_diagonal_(True)
        own[:, n + start : n + stop].fill_diagonal_(True)
        yield (bank[start:stop] @ bank.T).masked_fill(own, -math.inf)


def _rows(similarity: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of each anchor: log Z, E_D[cosine] (equation 15) and the largest cosine."""
    logits = beta * similarity
    log_total = logits.logsumexp(dim=1, keepdim=True)
    finite = similarity.masked_fill(similarity == -math.inf, 0.0)
    expected = ((logits - log_total).exp() * finite).sum(dim=1)
    return log_total[:, 0].double(), expected.double(), similarity.amax(dim=1).double()


def displacement_form(
    h: Float[Tensor, "views n dim"], projector: Float[Tensor, "own_dim out"], *, beta: float
) -> Scalar:
    """The upper bound written with displacements (equation 8), for a linear projector W, dim x out.

    Mean of -beta (delta h_i)^T W W^T h_i + log(2(N-1)). The paper assumes outputs of length 1; here every h
    is divided by the length of its output W^T h, which makes the form equal `InfoNCE.upper_bound` for any W.
    W W^T h is not the projection onto the columns of W that the paper calls it, unless they are orthonormal.
    An output of length zero is left as it is.

    >>> h = torch.eye(4).expand(2, 4, 4)
    >>> round(displacement_form(h, torch.eye(4), beta=1.0).item(), 4), round(math.log(6) - 1, 4)
    (0.7918, 0.7918)
    """
    if len(h) != 2 or h.shape[1] < 2 or h.shape[2] != len(projector):
        raise InputError(
            f"h has shape {tuple(h.shape)} and the projector {tuple(projector.shape)}; expected 2 views of at "
            "least 2 images and a matrix dim x out: for an `nn.Linear` that is `weight.T`."
        )
    z = h @ projector
    negatives = nearest_negatives(z.detach())
    length = torch.linalg.vector_norm(z, dim=2, keepdim=True)
    scaled = h / torch.where(length > 0, length, torch.ones_like(length))
    moved = displacements(scaled, negatives)
    product = ((moved @ projector) * (scaled[0] @ projector)).sum(dim=1).double()
    return -beta * product.mean() + math.log(2 * (h.shape[1] - 1))
