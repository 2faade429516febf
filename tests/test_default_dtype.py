"""`torch.set_default_dtype(torch.float64)` in the caller changes no bit of what is computed here."""

import ast
import importlib
import inspect
import pkgutil
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

import contrascope
from contrascope import augment
from contrascope.augment.corrupt import Corruption
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy
from contrascope.augment.presets import PRESETS, build_policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.severities import SEVERITIES
from contrascope.augment.views import make_views
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.draws import DrawKey
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.losses import LOSSES
from contrascope.methods.build import build_method
from contrascope.methods.settings import discover
from contrascope.methods.views import ViewBatch
from contrascope.runs.recipes import digits_simclr
from contrascope.training.settings import TrainingSettings

SOURCE = Path(contrascope.__file__).parent
MAKERS = {
    "zeros",
    "ones",
    "full",
    "empty",
    "linspace",
    "logspace",
    "eye",
    "rand",
    "randn",
    "scalar_tensor",
    "normal",
}
"""What makes floating-point tensors in the default dtype unless it is told another."""
FROM_VALUES = {"tensor", "arange", "range"}
"""What does so where a value is no whole number."""
ASKED = {"double", "to", "type", "from_numpy", "as_tensor", "__get__"}
"""What names its dtype in another way."""


@contextmanager
def default(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def same(one, other):
    """Equal to the bit, in dtype and value, whatever holds the tensors."""
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        same(list(one.values()), list(other.values()))
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            same(first, second)
    else:
        assert repr(one) == repr(other)


class Guessed(TorchFunctionMode):
    """Notes where a line of ours got a tensor of the default dtype that nobody had asked for."""

    def __init__(self):
        super().__init__()
        self.lines = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        first = out[0] if isinstance(out, tuple | list) and len(out) else out
        given = [*args, *kwargs.values()]
        if (
            isinstance(first, torch.Tensor)
            and first.dtype == torch.get_default_dtype() == torch.float64
            and getattr(func, "__name__", "") not in ASKED
            and not any(floating(value) or isinstance(value, torch.dtype) for value in given)
        ):
            frame = sys._getframe(1)
            while frame is not None and not frame.f_code.co_filename.startswith(str(SOURCE)):
                frame = frame.f_back
            if frame is not None:
                self.lines.add(f"{Path(frame.f_code.co_filename).relative_to(SOURCE)}:{frame.f_lineno}")
        return out


def floating(value):
    if isinstance(value, torch.Tensor):
        return value.is_floating_point()
    return isinstance(value, list | tuple) and any(map(floating, value))


def unmoved(compute):
    """What both defaults give, which is the same to the bit, and no line that took the default."""
    with default(torch.float32):
        expected = compute()
    with default(torch.float64), Guessed() as guessed:
        found = compute()
        assert torch.get_default_dtype() == torch.float64
    assert guessed.lines == set()
    same(found, expected)


def operations():
    """Every operation with a value for what has no default."""
    found = {}
    for module in pkgutil.iter_modules(augment.__path__):
        for kind in vars(importlib.import_module(f"contrascope.augment.{module.name}")).values():
            if inspect.isclass(kind) and issubclass(kind, AbstractOp) and not inspect.isabstract(kind):
                needs = [
                    name
                    for name, one in inspect.signature(kind).parameters.items()
                    if one.default is inspect.Parameter.empty
                ]
                chosen = {"size": 12, "name": "noise", "severity": 3}
                found[kind.__name__] = kind(**{name: chosen[name] for name in needs})
    return found


OPERATIONS = operations()


def views_of(policies, channels=3):
    pixels = torch.randint(
        256, (4, channels, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    views, drawn = make_views(pixels, policies, ids=torch.arange(4), seed=3, epoch=1, num_views=2)
    return [views, drawn]


@pytest.mark.parametrize("name", PRESETS)
def test_views_of_every_preset(name):
    unmoved(lambda: views_of(build_policy(PolicySettings(name=name), channels=3, size=16)))


@pytest.mark.parametrize("name", OPERATIONS)
def test_views_of_every_operation(name):
    assert len(OPERATIONS) >= 12
    unmoved(lambda: views_of(Policy(ops=(OPERATIONS[name],), name=name)))


@pytest.mark.parametrize("name", SEVERITIES)
def test_every_corruption(name):
    unmoved(lambda: views_of(Policy(ops=(Corruption(name=name, severity=5),), name=name)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("positives", ["average", "worst", "worst-symmetric"])
def test_every_loss_and_its_gradient(name, positives):
    info = LOSSES[name]
    more = {"queue": normal(9, 7, 5)} if "queue" in info.required else {}

    def computed():
        z = normal(1, 3, 6, 5).requires_grad_()
        terms = info.fn(z, positives=positives, **info.example, **more)
        terms.total.backward()
        return [terms.align.detach(), terms.spread.detach(), z.grad]

    unmoved(computed)


@pytest.mark.parametrize("source", ["digits", "scenes", "shapes"])
def test_drawn_images(source):
    settings = DataSettings(source=source, count=None if source == "digits" else 12)
    unmoved(lambda: open_images(settings).gather(torch.arange(12)))


def test_diagnosis_of_arrays_with_labels_bounds_and_intervals():
    y = torch.arange(60) % 3
    given = {"reference": normal(5, 2, 60, 6), "reference_z": normal(6, 2, 60, 4), "draws": 20}

    def computed():
        found = contrascope.diagnose(normal(3, 2, 60, 6), normal(4, 2, 60, 4), y, **given)
        return [repr(found.verdict), repr(found.signals), repr(found.factors), repr(found.details)]

    unmoved(computed)


def test_scores():
    part = Features(h=normal(2, 1, 60, 6), y={"label": torch.arange(60) % 3}, ids=torch.arange(60))
    unmoved(lambda: compare({"x": (part, part)}, Protocol(k=3, bootstrap=20, draws=5)))


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit-tiny"])
def test_networks_are_built_in_single_precision(name):
    def built():
        torch.manual_seed(0)
        network = build_encoder(EncoderSettings(name=name, width=12), channels=3, size=16).eval()
        return [dict(network.state_dict()), network(torch.ones(2, 3, 16, 16, dtype=torch.float32)).detach()]

    with default(torch.float32):
        expected = built()
    with default(torch.float64):
        same(built(), expected)


def views_for(method, channels):
    """Views and masks of 16 images as the method asks for them, of one group."""
    (group, *_), ids = method.plan(2).groups, torch.arange(16)
    views = normal(1, group.count, 16, channels, 8, 8)
    key = DrawKey(seed=0, epoch=0, ids=ids)
    mask = None if group.mask is None else group.mask(views[0], key)[None]
    if group.pair is None:
        return ViewBatch(groups=(views,), ids=ids, masks=(mask,), labels=ids % 3)
    shown, target = group.pair(views[0], key)
    return ViewBatch(groups=(shown[None],), ids=ids, targets=(target[None],))


@pytest.mark.parametrize("name", sorted(discover()))
def test_methods_step_in_single_precision(name):
    def stepped():
        torch.manual_seed(0)
        head, info = ProjectorSettings(hidden=(8,), out=8), discover()[name]
        settings = info.small_settings
        changes = {key: head for key in ("projector", "predictor") if hasattr(settings, key)}
        network = {"name": "convnet", "width": 4}
        asked = {} if info.small_run is None else info.small_run.encoder
        if asked.get("name") == "vit-tiny":
            network = {"name": "vit-tiny", "width": 12, "depth": 1, "patch": 2}
        network["gray"], channels = bool(asked.get("gray")), 3 if asked.get("gray") else 1
        method = build_method(
            replace(settings, **(changes | dict(info.small))),
            build_encoder(EncoderSettings(**network), channels=channels, size=8),
        )
        views = views_for(method, channels)
        method.before_epoch(0, images=16, look=lambda: iter([views]))
        for place, turn in enumerate(method.turns):
            method(replace(views, turn=turn, place=place)).terms.total.backward()
        method.after_step(0.5)
        return [dict(method.state_dict()), [p.grad for p in method.parameters() if p.grad is not None]]

    with default(torch.float32):
        expected = stepped()
    with default(torch.float64):
        same(stepped(), expected)


def test_a_run_is_trained_measured_embedded_and_diagnosed_alike(tmp_path):
    settings = replace(
        digits_simclr(),
        encoder=EncoderSettings(name="convnet", width=4),
        training=TrainingSettings(epochs=1, batch_size=256, probe_every=1),
        protocol=Protocol(k=5, probe_grid=(0.1,), draws=3, bootstrap=9),
    )

    def ran(folder):
        run = contrascope.train("digits", settings, out=tmp_path / folder)
        found = contrascope.diagnose(tmp_path / folder, draws=5)
        embedded = contrascope.embed(run, np.zeros((4, 8, 8), np.uint8))
        rows = contrascope.evaluate(run, "digits")
        state = {key: value.clone() for key, value in run.method.state_dict().items()}
        return [state, repr(found.verdict), repr(found.signals), embedded.h, [row["value"] for row in rows]]

    with default(torch.float32):
        expected = ran("single")
    with default(torch.float64):
        same(ran("double"), expected)
        assert torch.get_default_dtype() == torch.float64


def written_in(path):
    """Calls of torch's makers that take the default dtype, by line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"):
            continue
        told = {word.arg for word in node.keywords}
        values = [part for argument in node.args for part in ast.walk(argument)]
        fractional = any(
            (isinstance(part, ast.Constant) and isinstance(part.value, float))
            or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div))
            or (isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "float")
            for part in values
        )
        name = node.func.attr
        if not told & {"dtype", "out"} and (name in MAKERS or (name in FROM_VALUES and fractional)):
            yield f"{path.relative_to(SOURCE)}:{node.lineno}: torch.{name}"


def test_no_line_makes_a_tensor_without_its_dtype():
    assert [line for path in sorted(SOURCE.rglob("*.py")) for line in written_in(path)] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("torch.zeros(3)", 1),
        ("torch.tensor([0.5, 1])", 1),
        ("torch.arange(n / 2)", 1),
        ("torch.tensor(float(flag))", 1),
        ("torch.zeros(3, dtype=torch.float32)", 0),
        ("torch.arange(n)", 0),
    ],
)
def test_the_look_at_lines_sees_what_it_should(line, found, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.SOURCE", tmp_path)
    (tmp_path / "x.py").write_text(line)
    assert len(list(written_in(tmp_path / "x.py"))) == found
