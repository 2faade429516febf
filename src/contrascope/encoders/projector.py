"""Projectors and predictors: a linear map or an MLP."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.precision import single_precision

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class Projector(nn.Module):
    """MLP of `ProjectorSettings`; a linear layer that feeds a batch norm has no bias.

    >>> import torch
    >>> Projector(ProjectorSettings(hidden=(8,), out=3), in_dim=5)(torch.zeros(2, 5)).shape
    torch.Size([2, 3])
    """

    def __init__(self, settings: ProjectorSettings, *, in_dim: int) -> None:
        super().__init__()
        self.in_dim, self.dim = in_dim, settings.out or in_dim
        layers: list[nn.Module] = []
        for width in settings.hidden:
            layers.append(nn.Linear(in_dim, width, bias=settings.bias and not settings.batch_norm))
            if settings.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(ACTIVATIONS[settings.activation]())
            in_dim = width
        if settings.out:
            layers.append(nn.Linear(in_dim, settings.out, bias=settings.bias and not settings.batch_norm_out))
        if settings.batch_norm_out:
            layers.append(nn.BatchNorm1d(self.dim, affine=False))
        if settings.activation_out:
            layers.append(ACTIVATIONS[settings.activation]())
        self.layers = nn.Sequential(*layers)

    def forward(self, h: Float[Tensor, "batch in_dim"]) -> Float[Tensor, "batch dim"]:
        if h.shape[1] != self.in_dim:
            raise InputError(f"the projector was built for vectors of width {self.in_dim}; got {h.shape[1]}.")
        return self.layers(h)


@single_precision()
def build_projector(settings: ProjectorSettings, in_dim: int) -> Projector:
    """The projector for encoder outputs of width `in_dim`.

    >>> build_projector(ProjectorSettings(hidden=(), out=4), 6).layers
    Sequential(
      (0): Linear(in_features=6, out_features=4, bias=True)
    )
    """
    return Projector(settings, in_dim=in_dim)
