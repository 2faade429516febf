import contextlib

import pytest
import torch
from waits import (
    BATCH,
    IMAGES,
    META,
    SIDE,
    HostWaitsError,
    NoWaiting,
    Somewhere,
    maker_for,
    pixels,
    small,
    stepper_on,
)

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.corrupt import Corruption
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale, Invert, Solarize
from contrascope.augment.occlusion import Cutout, GaussianNoise
from contrascope.augment.op import on_all
from contrascope.augment.policy import Policy
from contrascope.augment.presets import build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.severities import SEVERITIES
from contrascope.augment.views import make_views, replay
from contrascope.augment.warp import Affine, Elastic
from contrascope.data.imageset import InMemoryImages
from contrascope.draws import DrawKey
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.methods.host_value import HostValue
from contrascope.methods.settings import discover


@pytest.fixture(autouse=True)
def _autocast_on_meta(monkeypatch):
    monkeypatch.setattr(torch, "autocast", Somewhere)


def begun(name):
    """A method that has taken a step on the CPU, sent to the meta device; what the host knows of it stays known."""
    method = small(name)
    maker = maker_for(method, "crop-flip" if name == "colourisation" else "simclr")
    method.train()
    ids = torch.arange(IMAGES)
    method.before_epoch(0, images=IMAGES, look=lambda: iter([maker(pixels(), ids=ids, epoch=0)]))
    stepper_on(torch.device("cpu"), method, maker)(ids[:BATCH], pixels()[:BATCH], epoch=0, rate=0.1)
    method.after_step(0.1)
    known = [
        (value, buffer, value.get(method.get_buffer(buffer)))
        for value in vars(method).values()
        if isinstance(value, HostValue)
        for buffer, held in method.named_buffers()
        if held is value._buffer
    ]
    method.to(META)
    for value, buffer, number in known:
        value.set(method.get_buffer(buffer), number)
    return method, maker


def steps(name, optimiser="lars", **training):
    method, maker = begun(name)
    take_step = stepper_on(META, method, maker, optimiser, **training)
    items, ids = pixels(META), torch.arange(IMAGES, device=META)

    def step(number):
        part = slice(number % 2 * BATCH, number % 2 * BATCH + BATCH)
        halves = take_step(ids[part], items[part], epoch=0, rate=0.1)
        method.after_step(0.1 * number)
        return halves

    step(0)  # what is sent to the device once is there now
    return step


QUICK = {"simclr", "swav"}
"""The others take as long each."""


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in sorted(discover())],
)
def test_the_host_never_waits_for_the_device_within_a_step(name):
    step = steps(name)
    with NoWaiting():
        assert step(1).device == META


@pytest.mark.slow
def test_neither_muon_nor_clipping_waits(monkeypatch):
    monkeypatch.setattr(
        "contrascope.training.muon.adamw", lambda *args, **kwargs: None
    )  # torch's, not for meta
    step = steps("simclr", "muon", clip_norm=1.0)
    with NoWaiting():
        step(1)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x.tolist(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.unique(),
        lambda x: x.cpu(),
        lambda x: torch.ones(4).to(META),
        lambda x: torch.tensor([1.0, 2.0], device=META),
        lambda x: x.index_select(0, torch.arange(2)),
        lambda x: torch.arange(4, device=META).repeat_interleave(
            torch.ones(4, dtype=torch.int64, device=META)
        ),
        lambda x: "less" if x.sum() < 1 else "more",
    ],
)
def test_what_waits_is_noticed(wait):
    x = torch.ones(4, device=META)
    with pytest.raises((HostWaitsError, RuntimeError, NotImplementedError)), NoWaiting():
        wait(x)


OPERATIONS = [
    ColorJitter.of_strength(0.5, p=0.8),
    ColorJitter(brightness=0.4, hue=0.1, p=0.5),
    ColorJitter(saturation=0.4, contrast=0.4),
    Grayscale(p=0.5),
    Solarize(p=0.5),
    Invert(p=0.5),
    GaussianBlur(p=0.5),
    HorizontalFlip(p=0.5),
    RandomResizedCrop(p=0.5),
    Affine(degrees=30.0, translate=0.1, shear=5.0, p=0.5),
    Elastic(p=0.5),
    Cutout(p=0.5),
    GaussianNoise(p=0.5),
    *(Corruption(name=name, severity=2) for name in SEVERITIES),
]


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: f"{type(op).__name__}{getattr(op, 'name', '')}")
def test_every_operation_leaves_the_host_free_and_keeps_its_bits(op, monkeypatch):
    ids, images = torch.arange(12), pixels()[:12].float() / 255
    views, params = make_views(images, Policy(ops=(op,)), ids=ids, seed=1, epoch=2)
    if isinstance(op, ColorJitter):
        monkeypatch.setattr(ColorJitter, "apply", ColorJitter.everywhere)
    for name in ("flip", "jitter", "blur", "warp", "occlusion"):  # as off the CPU
        monkeypatch.setattr(f"contrascope.augment.{name}.on_chosen", on_all)
    assert torch.equal(replay(images, Policy(ops=(op,)), params), views)
    there, where = images.to(META), ids.to(META)
    make_views(there, Policy(ops=(op,)), ids=where, seed=1, epoch=2)
    with NoWaiting():
        make_views(there, Policy(ops=(op,)), ids=where, seed=1, epoch=3)


def test_gray_images_keep_their_bits_in_every_place_of_the_jitter():
    op, images = ColorJitter.of_strength(1.0), pixels()[:12, :1].float() / 255
    params = op.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(12)), (1, SIDE, SIDE))
    assert torch.equal(op.everywhere(images, params), op.apply(images, params))


@pytest.mark.parametrize("held", [True, False])
def test_an_epochs_order_goes_to_the_device_once(held):
    images = InMemoryImages(images=pixels())
    batches = (images.to(META) if held else images).batches(torch.arange(IMAGES), BATCH, device=META)
    next(batches)
    with NoWaiting() if held else contextlib.nullcontext():  # images of the host are sent batch by batch
        ids, some = next(batches)
    assert (ids.device, some.device, tuple(some.shape)) == (META, META, (BATCH, 3, SIDE, SIDE))


def test_on_the_cpu_a_batch_is_what_it_was():
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(1))
    found = list(InMemoryImages(images=pixels()).batches(order, 10, start=1))
    assert torch.equal(torch.cat([ids for ids, _ in found]), order[10:])
    assert torch.equal(torch.cat([some for _, some in found]), pixels()[order[10:]])


@pytest.mark.parametrize("name", ["moco", "t_moco", "nnclr", "mean_shift", "swav", "deepcluster_v2"])
def test_queues_are_not_sent_before_each_step(name):
    method = small(name)
    ignored = set(method._ddp_params_and_buffers_to_ignore)
    assert ignored <= {buffer for buffer, _ in method.named_buffers()}
    assert ignored & {"queue", "bank"}


def test_every_map_of_the_network_is_channels_last():
    encoder = build_encoder(EncoderSettings(name="resnet18", stem="cifar", width=8), channels=3, size=SIDE)
    encoder.to(memory_format=torch.channels_last)
    seen = []
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(
                lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
            )
    policies = build_policy(PolicySettings(name="simclr"), channels=3, size=SIDE)
    views, _ = make_views(pixels()[:4], policies, ids=torch.arange(4), seed=0, epoch=0)
    encoder(views[0])
    assert len(seen) == 20
    assert all(seen)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", sorted(discover()))
def test_on_a_gpu_no_step_synchronises(name):
    method = small(name).cuda().train()
    maker, ids = (
        maker_for(method, "crop-flip" if name == "colourisation" else "simclr"),
        torch.arange(IMAGES).cuda(),
    )
    items, device = pixels("cuda"), torch.device("cuda")
    method.before_epoch(0, images=IMAGES, look=lambda: iter([maker(items, ids=ids, epoch=0)]))
    take_step = stepper_on(device, method, maker, "adamw")
    for number in range(3):
        if number == 2:
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")
        try:
            take_step(ids[:BATCH], items[:BATCH], epoch=0, rate=1e-3)
            method.after_step(0.1 * number)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_views_can_be_a_graph():
    policies = build_policy(PolicySettings(name="simclr"), channels=3, size=SIDE)
    items, ids = pixels("cuda"), torch.arange(IMAGES).cuda()

    def made():
        return make_views(items, policies, ids=ids, seed=0, epoch=0)[0]

    expected = made()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        made()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = made()
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(found, expected)
