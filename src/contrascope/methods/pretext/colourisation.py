"""Colourisation: which colours had the image that the encoder sees in gray?"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.augment.jitter import ColorJitter, Grayscale, Invert, Solarize
from contrascope.augment.policy import Policy
from contrascope.distributed import gather_rows
from contrascope.encoders.encoder import Encoder
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, StepOutput
from contrascope.methods.pretext.colour_bins import bin_weights, colour_bins, lab, soft_bins
from contrascope.methods.pretext.colourisation_settings import ColourisationSettings
from contrascope.methods.views import Group, ViewBatch, ViewPlan

COLOURLESS = 5.0
"""Largest |a| and |b| of an image that counts as gray; the authors' code has the same."""
_COLOUR_OPERATIONS = (ColorJitter, Grayscale, Invert, Solarize)


class Colourisation(Method):
    """Colourisation: from the lightness of an image, a convolution of 1x1 on the encoder's maps finds its colours.

    It needs an encoder that turns colours to gray itself (`encoder.gray`), so that whoever uses it, in an evaluation
    or from an export, feeds it what it was trained on. The encoder is exactly blind to colour, and so is h.

    Target of a cell is the mean a and b of its pixels in CIELAB, shared out over the nearest bins. An image's alignment
    is the mean over its cells of the cross-entropy, times the weight of the cell's nearest bin: rare colours weigh
    more. Deviation: the weighted loss is the one that is told; the authors' code weighs the gradient alone, which is
    the same gradient. Images without colours cost nothing and count in the mean. There is no spread and nothing for
    `positives` to choose.

    Weights follow from how often each bin was the nearest of a cell in all earlier steps, on all processes: whole
    numbers in the buffer `counts`. In the first step all weigh the same. So no image meets another of its batch, and W
    processes, parts of a batch and a resumed run count alike.
    """

    bins: Tensor
    counts: Tensor

    def __init__(self, encoder: nn.Module, settings: ColourisationSettings) -> None:
        super().__init__(encoder)
        settings.check()
        self.settings = settings
        self._look_for_maps()
        self.register_buffer("bins", colour_bins(settings.grid), persistent=False)
        self.register_buffer("counts", torch.zeros(len(self.bins), dtype=torch.int64))
        # refuses more neighbours than there are bins
        soft_bins(self.bins[:1], self.bins, neighbours=settings.neighbours, sigma=settings.sigma)
        self.head = nn.Conv2d(self.dim, len(self.bins) * settings.detail**2, 1)
        self._waiting: list[Tensor] = []
        self._seen_colour = False

    @torch.no_grad()
    def _look_for_maps(self) -> None:
        """Refuses a network without maps before anything is begun."""
        network = self.gray_encoder
        was_training = network.training
        network.eval().maps(network.mean.new_zeros(2, 3, network.size, network.size))
        network.train(was_training)

    @property
    def gray_encoder(self) -> Encoder:
        """The encoder, which sees lightness alone."""
        if isinstance(self.encoder, Encoder) and len(self.encoder.mean) != 3:
            raise InputError(
                f"colourisation finds colours, and these images have {len(self.encoder.mean)} channel(s). Choose "
                "images in colour, or another method: rotation and mae take gray ones."
            )
        if not (isinstance(self.encoder, Encoder) and self.encoder.gray):
            raise InputError(
                "colourisation needs an encoder that sees lightness alone, or it could read the colours off. Set "
                "encoder.gray to True."
            )
        return self.encoder

    def plan(self, num_views: int) -> ViewPlan:
        """One view, however many the run's settings say."""
        return ViewPlan(groups=(Group(count=1),))

    def check_policies(self, policies: tuple[Policy, ...]) -> None:
        for policy in policies:
            found = [type(op).__name__ for op in policy.ops if isinstance(op, _COLOUR_OPERATIONS)]
            if found:
                raise InputError(
                    f"the policy {policy.name} changes colours ({', '.join(found)}), which colourisation is to find. "
                    "Set policy.name to crop-flip."
                )

    def step(self, views: ViewBatch) -> StepOutput:
        images = views.only[0]
        maps = self.gray_encoder.maps(images)
        logits = F.pixel_shuffle(self.head(maps), self.settings.detail)
        with torch.autocast(images.device.type, enabled=False):
            loss = self._loss(at_least_single(logits), at_least_single(images))
        return StepOutput(
            terms=LossTerms(align=loss, spread=loss.new_zeros(())), h=maps.detach().mean((2, 3))[None]
        )

    def _loss(
        self,
        logits: Float[Tensor, "batch bins rows columns"],
        images: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, " batch"]:
        rows, columns = logits.shape[2:]
        ab = F.adaptive_avg_pool2d(lab(images)[:, 1:], (rows, columns)).flatten(2)  # batch 2 cell
        coloured = (ab.abs() > COLOURLESS).flatten(1).any(1)
        near, shares = soft_bins(
            ab.transpose(1, 2).flatten(0, 1),
            self.bins,
            neighbours=self.settings.neighbours,
            sigma=self.settings.sigma,
        )
        logs = logits.flatten(2).transpose(1, 2).flatten(0, 1).log_softmax(1)
        cells = -(logs.gather(1, near) * shares).sum(1)
        weights = bin_weights(self.counts, uniform=self.settings.uniform).to(cells)[near[:, 0]]
        self._count(near[:, 0].view(len(images), -1), coloured)
        return (cells * weights).view(len(images), -1).mean(1) * coloured

    def _count(self, nearest: Tensor, coloured: Bool[Tensor, " batch"]) -> None:
        """In training, the colours of these images count from the next step on."""
        if self.training:
            times = coloured[:, None].expand_as(nearest).flatten().to(torch.int64)
            self._waiting.append(torch.zeros_like(self.counts).index_add_(0, nearest.flatten(), times))

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        if not self._waiting:
            return
        self.counts.add_(gather_rows(torch.stack(self._waiting)).sum(0))
        self._waiting.clear()
        if not self._seen_colour and not self.counts.any():  # the flag spares waiting for a GPU at every step
            raise InputError(
                f"not one image of the first step has a colour (|a| or |b| above {COLOURLESS:g}): colourisation cannot "
                "learn from gray images. Choose images in colour, or another method."
            )
        self._seen_colour = True
