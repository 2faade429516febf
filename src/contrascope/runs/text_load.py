"""Networks and method of a run on sentences: built, begun from another run, and read back from its folder."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int
from torch import Tensor, nn

from contrascope import records
from contrascope.encoders.twin import drawn_from
from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.methods.build import build_method
from contrascope.methods.text.masked_head import MaskedHead
from contrascope.runs.build import RANDOM_SEED_OFFSET
from contrascope.runs.load import any_settings_of, newest_weights
from contrascope.runs.text_settings import TextRunSettings
from contrascope.text.encoder import TextEncoder, build_text_encoder, text_encoder
from contrascope.text.settings import TextEncoderSettings
from contrascope.text.tokenizer import FILE, SPECIAL, TextTokenizer, load_tokenizer

HUB = "hf:"


@dataclass(frozen=True, kw_only=True)
class TextRun:
    """A run on sentences, read back from its folder."""

    path: Path
    settings: TextRunSettings
    method: Method
    step: int
    """Of the checkpoint that was read."""
    tokenizer: TextTokenizer

    @property
    def encoder(self) -> TextEncoder:
        """The encoder at that checkpoint."""
        return text_encoder(self.method.encoder, method=str(self.path))


def tokenizer_of(settings: TextEncoderSettings, run: Path | None = None) -> TextTokenizer:
    """The tokeniser that a run keeps; else the one that is named, or that of the hf: encoder."""
    if run is not None and all(records.inside(run, name).is_file() for name in (FILE, SPECIAL)):
        return load_tokenizer(str(run))
    own = settings.name.removeprefix(HUB) if settings.name.startswith(HUB) else ""
    return load_tokenizer(settings.vocabulary or own)


def build_text(settings: TextRunSettings, tokenizer: TextTokenizer, *, seed: int | None = None) -> Method:
    """Networks and method of a run; weights of ours depend on the seed alone."""
    with drawn_from(settings.training.seed if seed is None else seed):
        return build_method(settings.method, build_text_encoder(settings.encoder, tokenizer.vocabulary))


def random_twin_of_text(run: TextRun) -> Method:
    """The run's networks with random weights that no training touched, in evaluation mode."""
    return twin_of_text(run.method, run.settings, run.tokenizer)


def twin_of_text(method: Method, settings: TextRunSettings, tokenizer: TextTokenizer) -> Method:
    """The same networks with weights of the run's second seed, tokens weighing in means as they do in the method's."""
    drawn = build_text(settings, tokenizer, seed=settings.training.seed + RANDOM_SEED_OFFSET).eval()
    one, other = (text_encoder(each.encoder, method="a twin").weights for each in (drawn, method))
    if one is not None and other is not None:
        one.copy_(other)
    return drawn


def count_tokens(method: Method, counts: Int[Tensor, " size"]) -> None:
    """Tells all parts of a method that begins how often each id comes in its sentences."""
    for part in method.modules():
        if isinstance(part, TextEncoder | MaskedHead):
            part.count(counts)


def begin_from(method: Method, start: str) -> None:
    """Gives the method's encoder, and its head for hidden tokens, the weights of another run's newest checkpoint.

    How an encoder pools stays its own.
    """
    path = Path(start).expanduser()
    other = load_text_run(path)
    own = text_encoder(method.encoder, method="encoder.start")
    read_into(own.trunk, other.encoder.trunk, name=f"encoder.start {start}")
    head, known = getattr(method, "head", None), getattr(other.method, "head", None)
    if head is not None and known is not None:
        read_into(head, known, name=f"encoder.start {start}")
    target = getattr(method, "target_encoder", None)
    if target is not None:
        own = text_encoder(target, method="encoder.start")
        read_into(own.trunk, other.encoder.trunk, name=f"encoder.start {start}")


def read_into(module: nn.Module, other: nn.Module, *, name: str) -> None:
    """Copies weights; refuses networks of another shape."""
    try:
        module.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise InputError(
            f"{name} has a network of another shape ({str(error).splitlines()[-1].strip()[:200]}); give encoder.width, "
            "depth and heads as that run had them."
        ) from error


def load_text_run(path: Path, *, step: int | None = None) -> TextRun:
    """The settings of a run on sentences and its newest weights, or those of the checkpoint at `step`."""
    settings = any_settings_of(path)
    if not isinstance(settings, TextRunSettings):
        raise InputError(f"{path} is a run on images; expected one on sentences.")
    if not records.checkpoint_folders(path):
        raise InputError(f"{path} has no checkpoint yet. Train on with: contrascope train {path} --resume")
    tokenizer = tokenizer_of(settings.encoder, path)
    method = build_text(settings, tokenizer)
    found = newest_weights(path, method, step=step)
    return TextRun(path=path, settings=settings, method=method.eval(), step=found, tokenizer=tokenizer)
