"""Small methods of every kind that the loop has to take, and the items and views of one that sees no images."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import InMemoryImages
from contrascope.distributed import gather_batch
from contrascope.draws import DrawKey, normal, uniform
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.losses.terms import LossTerms
from contrascope.losses.vicreg import vicreg
from contrascope.methods.base import Method, Optimised, StepOutput
from contrascope.methods.build import build_method
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.settings import JointSettings, discover
from contrascope.methods.views import Group, ViewBatch, ViewPlan
from contrascope.training.views import ImageViews


def per_image(loss):
    return LossTerms(align=loss, spread=loss.new_zeros(()))


class Network(nn.Module):
    """Any side to 6 numbers."""

    dim = 6

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)

    def forward(self, images):
        return torch.tanh(self.norm(self.conv(images.to(self.conv.weight.dtype)))).mean((2, 3))


class MultiCrop(Method):
    """Small views are drawn to the large ones."""

    def __init__(self):
        super().__init__(Network())
        self.projector = nn.Linear(6, 4)

    def plan(self, num_views):
        small = PolicySettings(name="ab", size=5)
        return ViewPlan(groups=(Group(count=2), Group(count=num_views, policy=small)))

    def step(self, views):
        large, small = views.groups
        assert (large.shape[0], small.shape[0], large.shape[3], small.shape[3]) == (2, 3, 8, 5)
        h = torch.stack([self.encoder(view) for view in large])
        z, other = self.projector(h), torch.stack([self.projector(self.encoder(view)) for view in small])
        loss = (other[:, None] - z.detach()[None]).square().mean((0, 1, 3))
        spread = (1 - gather_batch(z).flatten(0, 1).std(0)).relu().mean()
        return StepOutput(terms=LossTerms(align=loss, spread=spread), h=h.detach(), z=z.detach())


def half_of_the_patches(view, key):
    return (uniform(key, 16) < 0.5).view(-1, 1, 4, 4)


class Masked(Method):
    """Hidden patches of 2 pixels are found from the rest."""

    def __init__(self):
        super().__init__(Network())
        self.decoder = nn.Linear(6, 64)

    def plan(self, num_views):
        return ViewPlan(groups=(Group(count=1, mask=half_of_the_patches),))

    def step(self, views):
        image, mask = views.only[0], views.masks[0][0].repeat_interleave(2, -1).repeat_interleave(2, -2)
        h = self.encoder(image * ~mask)
        error = (self.decoder(h).view_as(image) - image).square() * mask
        return StepOutput(terms=per_image(error.flatten(1).mean(1)), h=h.detach()[None])


def turned(view, key):
    quarter = (uniform(key, 1)[:, 0] * 4).long()
    turns = torch.stack([view.rot90(k, (2, 3)) for k in range(4)])
    return turns[quarter, torch.arange(len(view))], quarter


class Rotation(Method):
    """By how many quarters was the image turned?"""

    def __init__(self):
        super().__init__(Network())
        self.head = nn.Linear(6, 4)

    def plan(self, num_views):
        return ViewPlan(groups=(Group(count=1, pair=turned),))

    def step(self, views):
        h = self.encoder(views.only[0])
        loss = F.cross_entropy(self.head(h), views.targets[0][0], reduction="none")
        return StepOutput(terms=per_image(loss), h=h.detach()[None])


class Supervised(Method):
    """Which label?"""

    def __init__(self):
        super().__init__(Network())
        self.head = nn.Linear(6, 3)

    def plan(self, num_views):
        return ViewPlan(groups=(Group(count=1),), labels=True)

    def step(self, views):
        h = self.encoder(views.only[0])
        return StepOutput(
            terms=per_image(F.cross_entropy(self.head(h), views.labels, reduction="none")), h=h.detach()[None]
        )


class Adversarial(Method):
    """A critic learns to tell codes from noise, twice a step; the encoder learns to be taken for noise."""

    turns = ("critic", "critic", "encoder")

    def __init__(self):
        super().__init__(Network())
        self.critic = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def optimised(self):
        return {
            "encoder": Optimised(parameters=tuple(self.encoder.parameters())),
            "critic": Optimised(parameters=tuple(self.critic.parameters()), rate=0.5),
        }

    def plan(self, num_views):
        return ViewPlan(groups=(Group(count=1),))

    def step(self, views):
        h = self.encoder(views.only[0])
        noise = normal(DrawKey(seed=0, epoch=int(self.steps), ids=views.ids), 6).to(h.dtype)
        if views.turn == "critic":
            loss = F.softplus(self.critic(h.detach())) + F.softplus(-self.critic(noise))
        else:
            assert views.turn == "encoder"
            loss = F.softplus(-self.critic(h))
        return StepOutput(terms=per_image(loss[:, 0]), h=h.detach()[None])

    def after_step(self, progress):
        self.steps += 1


class Vectors:
    """Items that are no images."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def gather(self, ids):
        return self.values[ids]

    def batches(self, order, batch_size, *, device="cpu", start=0):
        for ids in order[start * batch_size :].split(batch_size):
            yield ids.to(device), self.gather(ids).to(device)


class NoisyViews:
    """Vectors with keyed noise."""

    def __call__(self, items, *, ids, epoch):
        keys = [DrawKey(seed=3, epoch=epoch, ids=ids, view=view) for view in range(2)]
        return ViewBatch(
            groups=(torch.stack([items + 0.1 * normal(key, items.shape[1]) for key in keys]),), ids=ids
        )


class OfVectors(JointEmbedding):
    """VICReg of vectors."""

    loss_name = "vicreg"

    def __init__(self):
        encoder = nn.Sequential(nn.Linear(5, 7), nn.Tanh())
        encoder.dim = 7
        settings = JointSettings()
        super().__init__(encoder, replace(settings, projector=replace(settings.projector, hidden=(), out=3)))

    def terms(self, z, target):
        return vicreg(z)


def vectors():
    return Vectors(torch.rand(48, 5, generator=torch.Generator().manual_seed(1)))


KINDS = {kind.__name__: kind for kind in (MultiCrop, Masked, Rotation, Supervised, Adversarial, OfVectors)}


HEAD = ProjectorSettings(hidden=(12,), out=6)


def small_settings(name, **changes):
    """Settings of a registered method with heads of a few units and what its registration calls small."""
    info = discover()[name]
    defaults = info.settings()
    heads = {key: HEAD for key, value in vars(defaults).items() if isinstance(value, ProjectorSettings)}
    return replace(defaults, **{**heads, **info.small, **changes})


def sees_lightness(name):
    """Whether this registered method asks for colour images that its encoder turns to gray."""
    info = discover().get(name)
    return info is not None and info.small_run is not None and bool(info.small_run.encoder.get("gray"))


def in_colour(images):
    """As many images of three channels, each with a colour of its own."""
    tint = torch.rand(len(images), 3, 1, 1, generator=torch.Generator().manual_seed(2))
    return InMemoryImages(images=(images.images * tint).to(torch.uint8), labels=images.y)


def small_encoder(name, *, size=8):
    """The network of this registered method: a convolution, or where it asks for one a transformer, or one of gray."""
    if sees_lightness(name):
        return build_encoder(EncoderSettings(name="convnet", width=4, gray=True), channels=3, size=size)
    run = discover()[name].small_run
    if run is None or run.encoder.get("name") != "vit-tiny":
        return Network()
    settings = EncoderSettings(name="vit-tiny", width=8, depth=1, heads=2, patch=2)
    return build_encoder(settings, channels=1, size=size)


def make(name, *, seed=0, **changes):
    """A method of this kind, or the registered one of this name."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        if name in KINDS:
            return KINDS[name]()
        return build_method(small_settings(name, **changes), small_encoder(name))


def material(name, method, images, policies, *, seed=0):
    """Items and their view maker for a method of this kind."""
    if name == "OfVectors":
        return vectors(), NoisyViews()
    images = in_colour(images) if sees_lightness(name) else images
    return images, ImageViews(policies, method.plan(3), seed=seed, labels=images.y)
