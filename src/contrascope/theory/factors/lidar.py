"""LiDAR: how many directions tell images apart, once the differences between views of one image are divided out."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import eigh, require_finite, singular_values
from contrascope.spectra import exp_entropy
from contrascope.theory.factors.spectrum import covariance_and_gram


def lidar(
    h: Float[Tensor, "views n dim"], *, delta: float = 1e-4, epsilon: float = 1e-8, chunk_images: int = 1024
) -> float:
    """Exponential of the entropy of the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2), classes being images.

    Thilak et al. 2023 (arXiv:2312.04000). S_b is the covariance of the images' mean embeddings (its divisor
    cancels), S_w that of the views about their image's mean (divisor n (views - 1), where the paper writes an
    expectation: that of the stable-pretraining library), plus `delta` times I. The entropy is that of
    p = eigenvalue / sum + epsilon over all dim eigenvalues. Embeddings are taken as they are, and `delta` has
    their unit squared. float64.

    Range 1 to min(dim, n - 1); 0 for images that all have one mean embedding (complete collapse).

    >>> line = torch.tensor([1.0, 2.0, 4.0])[:, None] * torch.tensor([[0.6, 0.8]])
    >>> round(lidar(torch.stack([line, line])), 4)
    1.0
    """
    views, count, dim = h.shape
    if views < 2 or count < 2 or dim == 0:
        raise InputError(
            f"h has shape {list(h.shape)}; expected [views, n, dim] with at least 2 views of each of 2 images."
        )
    if not delta > 0 or epsilon < 0 or chunk_images < 1:
        raise InputError(
            f"delta={delta}, epsilon={epsilon}, chunk_images={chunk_images}; expected > 0, >= 0 and >= 1."
        )
    between = covariance_and_gram(block.mean(dim=0) for block in _image_blocks(h, chunk_images))
    if not between.centred_singular_values().any():
        return 0.0
    within = delta * torch.eye(dim, dtype=torch.float64, device=h.device)
    for block in _image_blocks(h, chunk_images):
        rows = (block - block.mean(dim=0)).flatten(0, 1)
        within.addmm_(rows.T, rows, alpha=1 / (count * (views - 1)))
    values, vectors = eigh(within)
    whitened = between.root @ (vectors / values.clamp_min(delta).sqrt())
    spread = torch.zeros(dim, dtype=torch.float64, device=h.device)
    spread[: len(whitened)] = singular_values(whitened).square()
    return exp_entropy(spread, epsilon=epsilon)


def _image_blocks(h: Tensor, chunk_images: int) -> Iterator[Tensor]:
    for start in range(0, h.shape[1], chunk_images):
        block = h[:, start : start + chunk_images].detach()
        for view, rows in enumerate(block):
            require_finite(rows, f"h[{view}] from image {start}")
        yield block.double()
