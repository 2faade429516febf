"""A network of ours as one file of Python that needs torch and safetensors alone, for whoever has no contrascope."""

import ast
import inspect
from types import ModuleType
from typing import TypeVar

from torch import nn

from contrascope.encoders import convnet, resnet, vit
from contrascope.encoders.convnet import ConvNet
from contrascope.encoders.resnet import ResNet
from contrascope.encoders.settings import EncoderSettings
from contrascope.encoders.vit import VisionTransformer
from contrascope.exports.blueprint import WEIGHTS, Blueprint
from contrascope.exports.layout import normalising_code

FILE = "model.py"
"""What it is called beside the weights; we write it and never run it."""
KNOWN: dict[type[nn.Module], ModuleType] = {ConvNet: convnet, ResNet: resnet, VisionTransformer: vit}
"""Networks that are written so, and the module that holds all of each."""
CODE = """\
from model import load  # model.py of this folder: the network itself, for torch and safetensors alone

h = load()(images)"""
HEAD = '''\
"""The network of this folder: images in [0, 1] to one vector an image. Needs torch and safetensors, nothing else.

Written by contrascope, which itself opens the folder by encoder.json and never runs this file.

    from model import load
    h = load()(images)  # images: float [batch, {channels}, {size}, {size}]; h: [batch, {dim}]
"""
'''
TAIL = '''

class Model(nn.Module):
    """Brings images in [0, 1] to the form that the network takes, and embeds them."""

    def __init__(self):
        super().__init__()
        self.trunk = {made}

    def forward(self, images):
{prepared}
        return self.trunk(images)


def load(folder=pathlib.Path(__file__).parent):
    """The network with the weights of a folder, in evaluation mode."""
    model = Model()
    model.trunk.load_state_dict(load_file(pathlib.Path(folder) / "{weights}"))
    return model.eval()
'''


def has_file(trunk: nn.Module) -> bool:
    """Whether a network can be written as one file."""
    return type(trunk) in KNOWN


def model_file(trunk: nn.Module, made: Blueprint, dim: int) -> str:
    """The text of model.py for a network of ours.

    >>> text = model_file(ConvNet(channels=1, size=8, width=4), Blueprint(settings=_SAMPLE, channels=1, size=8), 32)
    >>> "contrascope" in text.partition("import")[2], "class ConvNet" in text
    (False, True)
    """
    prepared = "\n".join(f"        {line}" for line in normalising_code(made).splitlines())
    prepared = prepared.replace("torch.tensor(", "images.new_tensor(")
    tail = TAIL.format(made=_call(trunk, made), prepared=prepared, weights=WEIGHTS)
    head = HEAD.format(channels=made.channels, size=made.size, dim=dim)
    return head + _standalone(KNOWN[type(trunk)]) + tail


def _call(trunk: nn.Module, made: Blueprint) -> str:
    settings, width = made.settings, made.settings.width
    if isinstance(trunk, ConvNet):
        return f"ConvNet(channels={made.channels}, size={made.side}, width={width or 32})"
    if isinstance(trunk, ResNet):
        return f"ResNet({settings.name!r}, channels={made.channels}, stem={settings.stem!r}, width={width or 64})"
    assert isinstance(trunk, VisionTransformer)
    return (
        f"VisionTransformer(channels={made.channels}, size={made.side}, patch={trunk.patch}, dim={width or 192}, "
        f"depth={settings.depth or 12}, heads={settings.heads or 3})"
    )


def _standalone(module: ModuleType) -> str:
    """A module's source without annotations, aliases of types, examples and imports of ours."""
    tree = ast.parse(inspect.getsource(module))
    body = [node for node in tree.body[1:] if not _of_ours(node)]
    plain = ast.Module(body=[_Plain().visit(node) for node in body], type_ignores=[])
    lines = ast.unparse(ast.fix_missing_locations(plain))
    return f"\nimport pathlib\n\n{lines}\n".replace("import torch\n", f"import torch\n{LOADER}\n", 1)


LOADER = "from safetensors.torch import load_file"


def _of_ours(node: ast.stmt) -> bool:
    """Whether a statement means nothing without contrascope: its imports, and names of types with their docstrings."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in ("contrascope", "jaxtyping", "typing", "collections")
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # what stands below a name and describes it
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)


Described = TypeVar("Described", ast.FunctionDef, ast.ClassDef)


class _Plain(ast.NodeTransformer):
    """Takes annotations and examples out, and turns our errors into Python's."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        self.generic_visit(node)
        return None if node.value is None else ast.Assign(targets=[node.target], value=node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        return self._described(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return self._described(node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id == "InputError":
            node.id = "ValueError"
        return node

    def _described(self, node: Described) -> Described:
        self.generic_visit(node)
        text = ast.get_docstring(node)
        if text is not None:
            kept = text.partition(">>>")[0].rstrip()
            node.body[0] = ast.Expr(ast.Constant(kept))
        return node


_SAMPLE = EncoderSettings(name="convnet", width=4, mean=(0.5,), std=(0.5,))
