"""From the folder of a run on sentences to one that sentence-transformers opens."""

from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.exports.sentence_folder import compared, write_sentence_folder
from contrascope.jobs.exported import FOLDER, Exported
from contrascope.precision import single_precision
from contrascope.records.inside import whole_folder
from contrascope.reports.load import load
from contrascope.reports.sentences.card import ExportedText, text_card
from contrascope.runs.text_load import TextRun, load_text_run
from contrascope.text.tables import read_table, texts_of

TO = "sentence-transformers"
CHECKED = 64
"""Sentences on which an exported encoder is compared."""
STAND_IN = (
    "A man is playing a flute.",
    "Nobody is playing.",
    "Two dogs run through the snow, and one barks.",
)
"""Where the run's own sentences are gone."""


@single_precision()
def export_text(path: Path, *, step: int | None = None, out: Path | None = None) -> Exported:
    """Exports the encoder of a run on sentences; without `out` into its folder, under exports.

    What is written is opened by sentence-transformers and compared first, where that is installed. Raises `InputError`
    where the run pools in a way that the library cannot, or where outputs differ.
    """
    run = load_text_run(path, step=step)
    folder = out or records.inside(run.path, FOLDER, f"{TO}-step-{run.step:08d}")
    texts, what = _texts(run)
    longest = run.settings.data.max_length
    with whole_folder(folder) as partial:
        write_sentence_folder(run.encoder, run.tokenizer, partial, max_length=longest)
        difference, why = compared(run.encoder, run.tokenizer, partial, texts, max_length=longest)
        told = f"Checked with {TO} on {what}: outputs differ from the encoder's by at most {difference:.1e}."
        if difference is None:
            told = f"Names and shapes are {TO}'s, but outputs were not compared: {why}"
        about = ExportedText(
            step=run.step,
            dim=run.encoder.dim,
            pool=run.encoder.pool,
            max_length=longest,
            checked=told,
        )
        card = text_card(load(run.path), about)
        records.write_atomic(partial / "README.md", card.encode("utf-8", "replace"))
    return Exported(path=folder, notes=(told,))


def _texts(run: TextRun) -> tuple[list[str], str]:
    """Texts on which outputs are compared, and what they are."""
    data = run.settings.data
    try:
        texts = texts_of(read_table(data.source, split=data.split), data.columns, name=data.source)[0]
    except InputError:
        return list(STAND_IN), f"{len(STAND_IN)} sentences (the run's own are not at hand)"
    some = [text[:2000] for text in texts[:CHECKED]]
    return some, f"{len(some)} of the run's sentences"
