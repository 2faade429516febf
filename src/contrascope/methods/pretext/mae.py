"""Masked autoencoder: hidden patches are found from the visible ones."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.draws import DrawKey, uniform
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.vit import Block, VisionTransformer, positions_for
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.pretext.mae_settings import MAESettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.types import Scalar

_SMALLEST_VARIANCE = 1e-6
"""Added to a patch's variance, as in the authors' code."""


def patches_of(
    images: Float[Tensor, "batch channel rows columns"], side: int
) -> Float[Tensor, "batch token pixels"]:
    """The pixels of every patch, row after row of patches.

    >>> patches_of(torch.arange(4.0).view(1, 1, 2, 2), 1).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    batch, channels, rows, columns = images.shape
    cut = images.reshape(batch, channels, rows // side, side, columns // side, side)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def standardised(
    patches: Float[Tensor, "batch token pixels"],
) -> Float[Tensor, "batch token pixels"]:
    """Each patch less its mean, by the root of its variance (divisor pixels - 1) plus 1e-6.

    >>> standardised(torch.tensor([[[0.0, 2.0]]]))
    tensor([[[-0.7071,  0.7071]]])
    """
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + _SMALLEST_VARIANCE).sqrt()


def mean_square_product(z: Float[Tensor, "batch dim"]) -> Scalar:
    """Mean of (z_i . z_j)^2 over all pairs of unit vectors, each with itself too: in [1 / dim, 1].

    The spread of U-MAE (Zhang et al. 2022, arXiv:2210.08344, eq. 12); 1 where all are one line.

    >>> mean_square_product(torch.tensor([[3.0, 0.0], [0.0, 1.0]])).item()
    0.5
    """
    z = unit(z)
    return (z.T @ z).square().sum() / len(z) ** 2


class Decoder(nn.Module):
    """A narrow transformer from encoded visible tokens to the pixels of every patch."""

    def __init__(self, settings: MAESettings, *, dim: int, pixels: int) -> None:
        super().__init__()
        width, heads = settings.decoder_width, settings.decoder_heads
        self.embed = nn.Linear(dim, width)
        self.hidden = nn.Parameter(torch.zeros(width, dtype=torch.float32))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(settings.decoder_depth)])
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, pixels)
        nn.init.normal_(self.hidden, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(
        self,
        visible: Float[Tensor, "batch kept dim"],
        places: Int[Tensor, "batch kept"],
        rows: int,
        columns: int,
    ) -> Float[Tensor, "batch token pixels"]:
        seen = self.embed(visible)
        tokens = self.hidden.to(seen).expand(len(seen), rows * columns, -1)
        tokens = tokens.scatter(1, places[..., None].expand_as(seen), seen)
        tokens = tokens + positions_for(tokens, rows, columns)
        return self.predict(self.norm(self.blocks(tokens)))


class MAE(Method):
    """Masked autoencoder: the encoder sees a quarter of the patches, a decoder finds the pixels of the others.

    Masks are keyed as views are: an image's follows from seed, epoch and its id. The alignment is an image's mean
    squared error over its hidden patches. MAE has no spread; with the weight `spread` it is U-MAE, whose spread is the
    mean squared product of the images' mean tokens, over the joined batch. There is nothing for `positives` to choose.

    In training h is the mean of the visible tokens; without a mask, as everywhere else, the encoder gives the mean
    of all. It needs an encoder whose trunk is our vision transformer: a convnet cannot leave patches out.
    """

    def __init__(self, encoder: nn.Module, settings: MAESettings) -> None:
        super().__init__(encoder)
        settings.check()
        self.settings = settings
        pixels = len(self.vit.mean) * self.trunk.patch**2
        if settings.normalised and pixels < 2:
            raise InputError("a patch of one number has no variance; set encoder.patch to 2 px or more.")
        self.decoder = Decoder(settings, dim=self.dim, pixels=pixels)

    @property
    def vit(self) -> Encoder:
        """The encoder, whose trunk is a vision transformer."""
        trunk = getattr(self.encoder, "trunk", None)
        if not (isinstance(self.encoder, Encoder) and isinstance(trunk, VisionTransformer)):
            name = type(self.encoder if trunk is None else trunk).__name__
            raise InputError(
                f"mae hides patches from a vision transformer; got {name}. Set encoder.name to vit-tiny."
            )
        return self.encoder

    @property
    def trunk(self) -> VisionTransformer:
        """The vision transformer."""
        trunk = self.vit.trunk
        assert isinstance(trunk, VisionTransformer)
        return trunk

    def plan(self, num_views: int) -> ViewPlan:
        """One view with its mask, however many the run's settings say."""
        return ViewPlan(groups=(Group(count=1, mask=self.mask),))

    def mask(
        self, view: Float[Tensor, "batch channel rows columns"], key: DrawKey
    ) -> Bool[Tensor, "batch token"]:
        """Which patches are hidden: equally many of every image, those with the largest draws."""
        height, width = view.shape[2:] if self.vit.resize is None else (self.vit.resize,) * 2
        count = (height // self.trunk.patch) * (width // self.trunk.patch)
        kept = self._kept(count)
        if not 0 < kept < count:
            raise InputError(
                f"of {count} patches {kept} would be seen; expected some and not all. Change mask_ratio "
                f"({self.settings.mask_ratio}) or encoder.patch ({self.trunk.patch})."
            )
        order = uniform(key, count).argsort(dim=1, stable=True)
        return torch.ones_like(order, dtype=torch.bool).scatter(1, order[:, :kept], False)

    def _kept(self, count: int) -> int:
        """Patches of `count` that are seen."""
        return int(count * (1 - self.settings.mask_ratio))

    def step(self, views: ViewBatch) -> StepOutput:
        hidden = views.masks[0] if views.masks else None
        if hidden is None:
            raise InputError("mae needs the mask of each view; have the views made by its plan.")
        pixels, mask = self.vit.prepared(views.only[0]), hidden[0]
        visible, places = self.visible(pixels, mask)
        found = self.predictions(pixels, visible, places)
        h = visible.mean(dim=1)
        with torch.autocast(h.device.type, enabled=False):
            target = self.targets(pixels)
            error = (at_least_single(found) - target).square().mean(dim=2)
            align = (error * mask).sum(dim=1) / mask.sum(dim=1)
            terms = LossTerms(align=align, spread=self._spread(at_least_single(h)))
        return StepOutput(terms=terms, h=h.detach()[None])

    def visible(
        self, pixels: Float[Tensor, "batch channel rows columns"], hidden: Bool[Tensor, "batch token"]
    ) -> tuple[Float[Tensor, "batch kept dim"], Int[Tensor, "batch kept"]]:
        """Encoded tokens of the patches that are not hidden, equally many of every image, and which they are."""
        tokens = self.trunk.tokens(pixels)
        kept = self._kept(hidden.shape[1])
        places = hidden.to(torch.uint8).argsort(dim=1, stable=True)[:, :kept]  # in their order
        return self.trunk.encoded(tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[2]))), places

    def predictions(
        self,
        pixels: Float[Tensor, "batch channel rows columns"],
        visible: Float[Tensor, "batch kept dim"],
        places: Int[Tensor, "batch kept"],
    ) -> Float[Tensor, "batch token pixels"]:
        """What the decoder says of every patch of images of this size."""
        side = self.trunk.patch
        return self.decoder(visible, places, pixels.shape[2] // side, pixels.shape[3] // side)

    def targets(
        self, pixels: Float[Tensor, "batch channel rows columns"]
    ) -> Float[Tensor, "batch token pixels"]:
        """What is to be found: the pixels of every patch, standardised where the settings say so."""
        target = patches_of(at_least_single(pixels), self.trunk.patch)
        return standardised(target) if self.settings.normalised else target

    def couples(self) -> str | None:
        if self.settings.spread:
            return "its spread (method.spread) compares the images of a batch with each other"
        return None

    def _spread(self, h: Float[Tensor, "batch dim"]) -> Scalar:
        if not self.settings.spread:
            return h.new_zeros(())
        return self.settings.spread * mean_square_product(gather_batch(h))
