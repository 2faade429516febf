"""Recipes on sentences: masked-language modelling once, then each method from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.settings import MethodSettings
from contrascope.methods.text.cert_settings import CERTSettings
from contrascope.methods.text.clear_settings import CLEARSettings
from contrascope.methods.text.consert_settings import ConSERTSettings
from contrascope.methods.text.declutr_settings import DeCLUTRSettings
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.methods.text.simcse_supervised_settings import SupervisedSimCSESettings
from contrascope.runs.text_settings import TextRunSettings
from contrascope.text.settings import SpanSettings, TextDataSettings, TextEncoderSettings, TextViewSettings
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings

WORDPIECE = "google-bert/bert-base-uncased"
"""The tokeniser of the recipes by its name on the hub; encoder.vocabulary takes a local folder."""
BERT = "hf:google-bert/bert-base-uncased"
BATCH, STEPS = 64, 100
"""Of a method's recipe for a CPU."""


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """A function to settings, and one line of what it is."""

    make: Callable[[], TextRunSettings]
    summary: str
    family: str = "text-METHOD-cpu"
    """Its name with METHOD in place of the method's."""


def mlm_cpu() -> TextRunSettings:
    """Two layers of 256 from scratch: five epochs of 200,000 sentences, in hours on two cores; kept as a run."""
    return TextRunSettings(
        data=TextDataSettings(max_length=64),
        encoder=TextEncoderSettings(vocabulary=WORDPIECE, depth=2, pool="mean"),
        method=MLMSettings(),
        training=TrainingSettings(
            epochs=5, batch_size=BATCH, channels_last=False, log_every=50, checkpoint_every=500, clip_norm=1.0
        ),
        optim=OptimSettings(name="adamw", lr=1e-3, weight_decay=0.01, exclude_norm_and_bias=True),
        schedule=ScheduleSettings(warmup_epochs=0.1),
    )


def contrast_cpu(
    method: MethodSettings,
    *,
    first: tuple[str, ...] = (),
    second: tuple[str, ...] | None = None,
) -> TextRunSettings:
    """100 steps of 64 sentences, from random weights or those of `text-mlm-cpu`, in minutes on two cores.

    More did not help (docs/text.md). Frequent tokens weigh little in the mean.
    """
    base = mlm_cpu()
    return replace(
        base,
        data=replace(base.data, limit=BATCH * STEPS),
        encoder=replace(base.encoder, pool="sif"),
        views=TextViewSettings(first=first, second=second),
        method=method,
        training=replace(base.training, epochs=1, log_every=10, checkpoint_every=50),
        optim=replace(base.optim, lr=1e-3),
        schedule=ScheduleSettings(warmup_epochs=0.1),
    )


def simcse_cpu() -> TextRunSettings:
    """SimCSE: dropout alone, and no head, which was worse on a small network."""
    return contrast_cpu(SimCSESettings(projector=ProjectorSettings(hidden=(), out=0)))


def simcse_supervised_cpu() -> TextRunSettings:
    """Pairs that the user brings, with or without a hard negative; name their columns."""
    base = contrast_cpu(SupervisedSimCSESettings())
    return replace(base, data=replace(base.data, columns=("text", "positive"), limit=0))


def consert_cpu() -> TextRunSettings:
    """ConSERT with half of the tokens cut off; its best pair, features off and shuffled positions, is too easy here."""
    return contrast_cpu(ConSERTSettings(), first=("cut-tokens=0.5",))


def clear_cpu() -> TextRunSettings:
    """CLEAR with 70 % of the words deleted, one of its views; its spans leave most words as they are."""
    return contrast_cpu(CLEARSettings(), first=("delete=0.7",))


def cert_cpu() -> TextRunSettings:
    """CERT on sentences as their own pairs, half of the words deleted; give pairs by data.source and columns."""
    return contrast_cpu(CERTSettings(), first=("delete=0.5",))


def declutr_cpu() -> TextRunSettings:
    """DeCLUTR on documents of which every epoch draws other spans: 2 anchors and 4 positives a document."""
    base = contrast_cpu(DeCLUTRSettings(spans=SpanSettings(shortest=16, longest=62)))
    return replace(
        base,
        data=replace(base.data, documents=True, limit=0),
        training=replace(base.training, epochs=1, batch_size=32),
        schedule=ScheduleSettings(warmup_epochs=0.2),
    )


def simcse_bert() -> TextRunSettings:
    """SimCSE's own numbers for BERT-base and a million sentences (its README): a GPU for about an hour."""
    return TextRunSettings(
        data=TextDataSettings(max_length=32),
        encoder=TextEncoderSettings(name=BERT, pool="cls"),
        method=SimCSESettings(
            projector=ProjectorSettings(hidden=(), out=768, activation="tanh", activation_out=True)
        ),
        training=TrainingSettings(
            epochs=1,
            batch_size=64,
            channels_last=False,
            checkpoint_every=1000,
            precision="bf16",
            clip_norm=1.0,
        ),
        optim=OptimSettings(name="adamw", lr=3e-5, weight_decay=0.0),
    )


_MAKERS: dict[str, tuple[Callable[[], TextRunSettings], str]] = {
    "mlm": (mlm_cpu, "masked-language modelling from scratch: what the others may begin with"),
    "simcse": (simcse_cpu, "SimCSE: dropout as the only augmentation"),
    "simcse-supervised": (simcse_supervised_cpu, "SimCSE on your pairs (supervised)"),
    "consert": (consert_cpu, "ConSERT: cut-off tokens"),
    "declutr": (declutr_cpu, "DeCLUTR: spans of documents"),
    "clear": (clear_cpu, "CLEAR: deleted words, masked words beside"),
    "cert": (cert_cpu, "CERT: MoCo on pairs of texts"),
}

TEXT_RECIPES: dict[str, TextRecipe] = {
    **{f"text-{name}-cpu": TextRecipe(make=make, summary=told) for name, (make, told) in _MAKERS.items()},
    "text-simcse-bert": TextRecipe(
        make=simcse_bert,
        summary="SimCSE with BERT-base from the hub (--data.source your sentences)",
        family="",
    ),
}
"""Every recipe on sentences by name."""
TEXT_FAMILIES: dict[str, str] = {"text-METHOD-cpu": "sentences, a small transformer, minutes on a CPU"}
