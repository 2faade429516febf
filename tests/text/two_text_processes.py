"""Trains methods of sentences with our loop in one process or several; as a script under torch.distributed.run."""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from contrascope import records
from contrascope.distributed import average_gradients, is_main, rank, world_size
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.build import build_method, synchronise
from contrascope.methods.settings import method_settings
from contrascope.methods.text.clear_settings import CLEARSettings
from contrascope.methods.text.consert_settings import ConSERTSettings
from contrascope.methods.text.declutr_settings import DeCLUTRSettings
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.methods.text.simcse_supervised_settings import SupervisedSimCSESettings
from contrascope.text.encoder import build_text_encoder
from contrascope.text.policy import build_text_policies
from contrascope.text.ragged import Ragged
from contrascope.text.sentences import Sentences
from contrascope.text.settings import SpanSettings, TextEncoderSettings, TextViewSettings
from contrascope.text.vocabulary import Vocabulary
from contrascope.training.loop import fit
from contrascope.training.settings import OptimSettings, ScheduleSettings, TrainingSettings
from contrascope.training.text_views import text_views

PLAIN = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(30))])
SMALL = {"projector": ProjectorSettings(hidden=(8,), out=6)}
HEAD = ProjectorSettings(hidden=(), out=8, activation="tanh", activation_out=True)
COUNT, BATCH = 24, 8
CASES = {
    "mlm": MLMSettings(),
    "simcse": SimCSESettings(projector=HEAD),
    "simcse with hidden tokens": SimCSESettings(projector=HEAD, mlm=0.1),
    "simcse in parts": SimCSESettings(projector=HEAD),
    "simcse_supervised": SupervisedSimCSESettings(projector=HEAD, hard_weight=2.0),
    "consert": ConSERTSettings(),
    "consert with an adversarial view": ConSERTSettings(adversarial=0.1),
    "clear": CLEARSettings(**SMALL),
    "declutr": DeCLUTRSettings(spans=SpanSettings(shortest=3, longest=6)),
    "cert": type(method_settings("cert"))(queue_size=16, **SMALL),
    "vicreg": type(method_settings("vicreg"))(projector=ProjectorSettings(hidden=(8,), out=6)),
}
"""Every method of sentences, one with a term beside, one with a batch in parts, and one of images."""
WORDS = {"consert": (("cut-features=0.25",), ("shuffle",)), "clear": (("delete=0.3",), ("reorder=2x0.2",))}


def sentences(columns):
    """Texts whose lengths differ much, so that each process fills its batch up to another length."""
    source = torch.Generator().manual_seed(3)
    made = []
    for _ in range(columns):
        lengths = torch.randint(26, 44, (COUNT,), generator=source)
        values = torch.randint(4, PLAIN.size, (int(lengths.sum()),), generator=source)
        made.append(Ragged.of(values.to(torch.int32), lengths))
    return Sentences(name="drawn", columns=tuple(made), pad=PLAIN.pad, bucket=0)


def made(case):
    """Method in double precision, texts, and what makes their views."""
    torch.manual_seed(0)
    network = build_text_encoder(TextEncoderSettings(width=8, depth=1, heads=2), PLAIN)
    method = build_method(CASES[case], network).double().train()
    if world_size() > 1:
        synchronise(method)
    columns = 3 if case == "simcse_supervised" else 1
    first, second = WORDS.get(case.split()[0], ((), None))
    policies = build_text_policies(TextViewSettings(first=first, second=second))
    views = text_views(method, policies, PLAIN, num_views=max(2, columns), seed=0)
    return method, sentences(columns), views, max(2, columns)


def first_gradients(case):
    """Averaged gradients of the first batch, of which each process has its part."""
    method, items, views, _ = made(case)
    ids = torch.arange(BATCH).chunk(world_size())[rank()]
    method(views(items.gather(ids), ids=ids, epoch=0)).terms.total.backward()
    average_gradients(method.parameters())
    return {f"grad.{name}": p.grad for name, p in method.named_parameters() if p.grad is not None}


def trained(case, folder):
    """First gradients, and loss and state after three steps."""
    method, items, views, num_views = made(case)
    run = Path(folder) / case
    fit(
        method,
        items,
        views,
        run=run,
        training=TrainingSettings(
            epochs=1,
            batch_size=BATCH,
            log_every=1,
            channels_last=False,
            num_views=num_views,
            chunk=2 if case.endswith("in parts") else 0,
        ),
        optim=OptimSettings(lr=0.05),
        schedule=ScheduleSettings(),
        accelerator=Accelerator(mixed_precision="no", cpu=True),
    )
    found = {f"state.{name}": value for name, value in method.state_dict().items()}
    if is_main():
        rows = [row for row in records.read_metrics(run / records.METRICS) if row["kind"] == "step"]
        for name in ("loss", "align", "spread"):
            found[name] = torch.tensor([row[name] for row in rows], dtype=torch.float64)
    return found | first_gradients(case)


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {f"{case}/{key}": value for case in CASES for key, value in trained(case, sys.argv[1]).items()}
    if is_main():
        save_file({key: value.clone().contiguous() for key, value in found.items()}, sys.argv[2])
