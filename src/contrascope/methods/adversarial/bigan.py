"""BiGAN and ALI: an encoder and a generator that a discriminator of pairs cannot tell apart."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.draws import DrawKey, normal
from contrascope.encoders.encoder import Encoder
from contrascope.encoders.projector import Projector, build_projector
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.methods.adversarial.bigan_settings import BiGANSettings
from contrascope.methods.adversarial.discriminator import PairDiscriminator
from contrascope.methods.adversarial.generator import ImageGenerator
from contrascope.methods.adversarial.pair_loss import discriminator_loss, encoder_loss
from contrascope.methods.base import Method, Optimised, StepOutput
from contrascope.methods.untouched import buffers_kept, weights_fixed
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.types import FloatImages

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""Names of the two optimisers; the second moves encoder and generator."""
GRID = 4
"""Side of the generator's first map where the encoder does not say for which images it was made."""

Latents = Float[Tensor, "batch latents"]


def channels_of(encoder: nn.Module) -> int:
    """Channels of the images that an encoder takes: as it says, or those of its first convolution.

    >>> channels_of(nn.Sequential(nn.Conv2d(2, 5, 3)))
    2
    """
    if isinstance(encoder, Encoder):
        return len(encoder.mean)
    first = next((one for one in encoder.modules() if isinstance(one, nn.Conv2d)), None)
    if first is None:
        raise InputError(
            f"bigan makes images for the encoder, and {type(encoder).__name__} does not say of how many channels. "
            "Wrap it: contrascope.encoders.wrap_encoder(module, size=...)."
        )
    return first.in_channels


@torch.no_grad()
def variances(images: FloatImages, made: FloatImages, z: Latents) -> dict[str, Float[Tensor, ""]]:
    """Variance of a pixel of generated images over that of real ones, and mean variance of E(x): near 0 is a collapse.

    >>> images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    >>> {name: value.item() for name, value in variances(images, images / 2, torch.zeros(2, 3)).items()}
    {'generated_variance': 0.25, 'encoded_variance': 0.0}
    """
    real = at_least_single(images).var(dim=0).mean()
    generated, encoded = at_least_single(made).var(dim=0).mean(), at_least_single(z).var(dim=0).mean()
    return {"generated_variance": generated / real.clamp_min(1e-12), "encoded_variance": encoded}


class BiGAN(Method):
    """BiGAN, ALI (`stochastic`) and BigBiGAN's loss (`unary`, `hinge`): pairs (x, E(x)) against pairs (G(z), z).

    E is the encoder with the projector as its head; z is standard normal. A discriminator learns to tell the pairs
    apart, in one turn or several; then E and G learn to be mistaken, in one turn. Where it is at its best, their loss
    is 2 JSD - log 4 of the two joint distributions, so E and G invert each other where they succeed (Donahue et al.
    2017, arXiv:1605.09782, theorems 1 and 2). The views of a step are the same in all its turns, and the latents new in
    each, keyed by image, seed, epoch and turn.

    **There is no alignment and no spread**: no two views meet. `align` holds the terms of the real pairs, `spread` the
    mean of the generated ones; alignment is measured on the encoder only. Nothing is there for `positives` to choose.

    A turn leaves what it does not move as it was: the discriminator's keeps the statistics of E's and G's batch norms,
    the other gives the discriminator's weights no gradient. Their largest singular values are estimated anew once a
    step, so gradients add up over parts of a batch wherever neither E nor G has batch norm.
    """

    def __init__(self, encoder: nn.Module, settings: BiGANSettings) -> None:
        super().__init__(encoder)
        settings.check()
        self.settings = settings
        self.projector: Projector = build_projector(settings.projector, self.dim)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.log_variance = build_projector(settings.projector, self.dim) if settings.stochastic else None
        self.latents, channels = settings.projector.out, channels_of(encoder)
        self.generator = ImageGenerator(
            widths=settings.generator_widths,
            latents=self.latents,
            channels=channels,
            grid=self._grid(),
            batch_norm=settings.batch_norm,
        )
        self.discriminator = PairDiscriminator(
            channels=channels,
            latents=self.latents,
            width=settings.discriminator_width,
            unary=settings.unary,
            spectral_norm=settings.spectral_norm,
        )

    def _grid(self) -> int:
        if self.settings.grid is not None:
            return self.settings.grid
        if not isinstance(self.encoder, Encoder):
            return GRID
        return -(-self.encoder.size // 2 ** len(self.settings.generator_widths))

    @property
    def turns(self) -> tuple[str, ...]:
        """The discriminator's, as often as the settings say, then that of encoder and generator."""
        return (DISCRIMINATOR,) * self.settings.discriminator_steps + (GENERATOR,)

    def optimised(self) -> Mapping[str, Optimised]:
        judged = tuple(self.discriminator.parameters())
        own = {id(parameter) for parameter in judged}
        others = tuple(parameter for parameter in self.parameters() if id(parameter) not in own)
        return {
            DISCRIMINATOR: Optimised(parameters=judged, rate=self.settings.discriminator_rate),
            GENERATOR: Optimised(parameters=others),
        }

    def plan(self, num_views: int) -> ViewPlan:
        """One view with its draws, however many the run's settings say."""
        return ViewPlan(groups=(Group(count=1, pair=self.with_draws),))

    def with_draws(
        self, view: Float[Tensor, "batch channel rows columns"], key: DrawKey
    ) -> tuple[Float[Tensor, "batch channel rows columns"], Float[Tensor, "batch turns parts latents"]]:
        """The view as it is, and for every turn z and, with `stochastic`, the noise of E(x): standard normal."""
        turns, parts = len(self.turns), 1 + self.settings.stochastic
        drawn = normal(key, turns * parts * self.latents)
        return view, drawn.unflatten(1, (turns, parts, self.latents))

    def step(self, views: ViewBatch) -> StepOutput:
        images, draws = views.only[0], self._draws(views)
        if views.turn == DISCRIMINATOR:
            with torch.no_grad(), buffers_kept(self.encoder, self.projector, self.generator):
                h, z, encoded, made = self._pairs(images, draws)
            real, generated = self._scores(images, encoded, made, draws[:, 0])
            terms = discriminator_loss(real, generated, shape=self.settings.loss)
        elif views.turn == GENERATOR:
            h, z, encoded, made = self._pairs(images, draws)
            with weights_fixed(self.discriminator):
                real, generated = self._scores(images, encoded, made, draws[:, 0])
            terms = encoder_loss(real, generated, shape=self.settings.loss)
            self.note(**variances(images, made, z))
        else:
            raise InputError(
                f"bigan has two optimisers; got the turn {views.turn!r}, expected {DISCRIMINATOR!r} or {GENERATOR!r} "
                "in ViewBatch.turn."
            )
        return StepOutput(terms=terms, h=h.detach()[None], z=z.detach()[None])

    def after_step(self, progress: float) -> None:
        self.discriminator.settle()

    @torch.no_grad()
    def signals(self, views: ViewBatch) -> Mapping[str, float]:
        """What tells a run that failed, from this process's images, in the mode the method is in; nothing changes.

        `reconstruction`: mean ||x - G(E(x))|| over the mean ||x' - G(E(x))|| for x' another image of the batch; at
        least 0, near 1 where E or G carries nothing of x. `generated_variance`: variance of a pixel of G(z) over that
        of x, near 0 where all images are one. `encoded_variance`: mean variance of E(x), that of z being 1. E(x) is
        its mean here. Raises `InputError` unless there are two images that differ.
        """
        images, draws = views.only[0], self._draws(views)
        if len(images) < 2 or (images == images[0]).all():
            raise InputError("signals of bigan compare images; expected at least two that differ.")
        with buffers_kept(self):
            z = self.projector(self.encoder(images))
            again, made = self._generated(z, images), self._generated(draws[:, 0], images)
        own = (images - again).flatten(1).norm(dim=1).mean()
        other = (images.roll(1, dims=0) - again).flatten(1).norm(dim=1).mean()
        found = {"reconstruction": own / other, **variances(images, made, z)}
        return {name: value.item() for name, value in found.items()}

    def _draws(self, views: ViewBatch) -> Float[Tensor, "batch parts latents"]:
        drawn = views.targets[0] if views.targets else None
        if drawn is None:
            raise InputError("bigan needs the draws of each view; have the views made by its plan.")
        return drawn[0, :, views.place]

    def _pairs(
        self, images: FloatImages, draws: Float[Tensor, "batch parts latents"]
    ) -> tuple[Float[Tensor, "batch dim"], Latents, Latents, FloatImages]:
        """H, the head's output, E(x) and G(z)."""
        h = self.encoder(images)
        z = at_least_single(self.projector(h))
        encoded = z
        if self.log_variance is not None:
            deviation = (at_least_single(self.log_variance(h)) / 2).exp()
            encoded = z + deviation * draws[:, 1].to(z)
        return h, z, encoded, self._generated(draws[:, 0], images)

    def _generated(self, z: Latents, images: FloatImages) -> FloatImages:
        weight = self.generator.start.weight
        rows, columns = images.shape[2:]
        return self.generator(z.to(weight.dtype), (rows, columns))

    def _scores(
        self, images: FloatImages, encoded: Latents, made: FloatImages, z: Latents
    ) -> tuple[Float[Tensor, "batch scores"], Float[Tensor, "batch scores"]]:
        """Scores of real pairs and of generated ones, in one pass: no layer couples images."""
        joined = torch.cat([images.to(made), made]), torch.cat([encoded, z.to(encoded)])
        real, generated = at_least_single(self.discriminator(*joined)).chunk(2)
        return real, generated
