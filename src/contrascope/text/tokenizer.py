"""From a folder or a name to a tokeniser of `tokenizers` or transformers, and from texts to ids."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrascope.errors import InputError
from contrascope.extras import missing_extra
from contrascope.progress import Progress, silent
from contrascope.records.inside import write_atomic
from contrascope.text.ragged import Ragged
from contrascope.text.vocabulary import Vocabulary

FILE, SPECIAL = "tokenizer.json", "special_tokens_map.json"
"""Files of a tokeniser in a folder."""
CHUNK = 10_000
"""Texts that are encoded between two reports of progress."""
ROLES = {"pad": "pad_token", "first": "cls_token", "last": "sep_token", "mask": "mask_token"}
"""What the vocabulary asks for, and what tokenisers call it."""


@dataclass(frozen=True, kw_only=True)
class TextTokenizer:
    """A tokeniser of another library without its own cutting, padding and special tokens, which are made here."""

    backend: Any
    """Of class `tokenizers.Tokenizer`."""
    vocabulary: Vocabulary
    """Its ids."""
    special: Mapping[str, str]
    """Pieces of the special tokens: pad, first, last and mask."""

    def encode(self, texts: Sequence[str], *, progress: Progress = silent) -> Ragged:
        """The ids of every text, special tokens left out."""
        parts: list[np.ndarray] = []
        counts: list[int] = []
        for start in range(0, len(texts), CHUNK):
            some = self.backend.encode_batch(list(texts[start : start + CHUNK]), add_special_tokens=False)
            parts += [np.asarray(one.ids, dtype=np.int32) for one in some]
            counts += [len(one.ids) for one in some]
            progress(start + len(some), len(texts))
        values = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
        return Ragged.of(torch.from_numpy(values), torch.tensor(counts, dtype=torch.int64))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of these ids."""
        return [self.backend.id_to_token(one) or "?" for one in ids]

    def save(self, folder: Path) -> None:
        """Writes the two files from which `load_tokenizer` makes it again."""
        special = {ROLES[role]: piece for role, piece in self.special.items()}
        write_atomic(folder / FILE, self.backend.to_str().encode())
        write_atomic(folder / SPECIAL, (json.dumps(special, indent=2) + "\n").encode())

    def text(self, ids: Sequence[int]) -> str:
        """The text of these ids, as the tokeniser writes it."""
        return self.backend.decode(list(ids), skip_special_tokens=False)


def load_tokenizer(name: str) -> TextTokenizer:
    """The tokeniser of a local folder (tokenizer.json, or vocab.txt of BERT) or of a name on the hub.

    What its file says of cutting and padding is switched off: both are decided by settings here.
    """
    if not name:
        raise InputError(
            "no tokeniser is named; give encoder.vocabulary, a folder with tokenizer.json or a name."
        )
    folder = Path(name).expanduser()
    backend, special = _of_folder(folder) if folder.is_dir() else _of_name(name)
    backend.no_truncation()
    backend.no_padding()
    found = backend.get_vocab(with_added_tokens=True)
    pieces = [""] * (max(found.values()) + 1)
    for piece, place in found.items():
        pieces[place] = piece
    absent = [word for word in special.values() if word not in found]
    if absent:
        raise InputError(
            f"the tokeniser {name} has no token {absent[0]}; expected one with {', '.join(special.values())}."
        )
    return TextTokenizer(backend=backend, vocabulary=Vocabulary.of(pieces, **special), special=special)


def _of_folder(folder: Path) -> tuple[Any, dict[str, str]]:
    file = folder / FILE
    if not file.is_file():
        return _of_name(str(folder))
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_extra("tokenizers", "a tokeniser") from error
    try:
        backend = Tokenizer.from_file(str(file))
    except Exception as error:  # it raises plain Exception
        raise InputError(f"{file} cannot be read as a tokeniser ({error}). Restore the file.") from error
    return backend, _special_of(folder / SPECIAL)


def _special_of(file: Path) -> dict[str, str]:
    """The words of the special tokens: those of BERT unless the file names others."""
    words = {"pad": "[PAD]", "first": "[CLS]", "last": "[SEP]", "mask": "[MASK]"}
    if not file.is_file():
        return words
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is no JSON ({error}). Restore the file.") from error
    for role, key in ROLES.items():
        said = told.get(key)
        said = said.get("content") if isinstance(said, dict) else said
        if isinstance(said, str):
            words[role] = said
    return words


def _of_name(name: str) -> tuple[Any, dict[str, str]]:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise missing_extra("transformers", "a tokeniser by name") from error
    try:
        found = AutoTokenizer.from_pretrained(name, use_fast=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"there is no tokeniser {name!r} ({str(error).splitlines()[0]}). Name a folder with tokenizer.json, or a "
            "model of the hub."
        ) from error
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"the tokeniser of {name!r} has no fast form; expected one with a tokenizer.json.")
    return backend, {role: str(getattr(found, key)) for role, key in ROLES.items()}
