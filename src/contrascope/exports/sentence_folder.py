"""A folder that sentence-transformers opens: weights in the names of transformers, tokeniser, pooling."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope import records
from contrascope.errors import InputError
from contrascope.exports.blueprint import save_tensors
from contrascope.exports.layout import require_same
from contrascope.extras import missing_extra
from contrascope.features.sentences import embed_texts
from contrascope.machine.torchvision_operators import complete_torchvision
from contrascope.text.encoder import TextEncoder
from contrascope.text.hub import HubTransformer
from contrascope.text.tokenizer import TextTokenizer
from contrascope.text.transformer import TextBlock, TextTransformer

TOLERANCE = 1e-5
"""Largest difference of an output, relative to the largest output where that is above 1."""
POOLS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "sif": "pooling_mode_mean_tokens",
}
"""Our word to the library's, under the key that all its versions read; sif weighs the tokens before the mean."""


def write_sentence_folder(
    encoder: TextEncoder, tokenizer: TextTokenizer, folder: Path, *, max_length: int
) -> None:
    """Writes everything that sentence-transformers and transformers need to open the encoder.

    Our transformer is RoBERTa with norms before its layers (`roberta-prelayernorm`); a model of transformers is
    written as its own class writes it. Raises `InputError` for a pooling that the library has not.
    """
    if encoder.pool not in POOLS:
        raise InputError(
            f"sentence-transformers pools one layer, by {' or '.join(POOLS)}, and this encoder pools by "
            f"{encoder.pool}. Choose one of these by encoder.pool."
        )
    if isinstance(encoder.trunk, TextTransformer):
        save_tensors(prelayernorm_tensors(encoder.trunk, pad=encoder.vocabulary.pad), folder)
        config = prelayernorm_config(encoder.trunk, pad=encoder.vocabulary.pad)
        records.write_json(folder / "config.json", config)
    else:
        assert isinstance(encoder.trunk, HubTransformer)
        model: Any = encoder.trunk.model
        model.save_pretrained(str(folder))
    _write_tokenizer(tokenizer, folder, max_length=max_length)
    _write_pooling(encoder, tokenizer, folder)
    records.write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False}
    )
    records.write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


def _write_pooling(encoder: TextEncoder, tokenizer: TextTokenizer, folder: Path) -> None:
    """The library's modules after the network: what tokens weigh where pool is sif, and how they become one vector."""
    after: dict[str, dict[str, Any]] = {}
    if encoder.pool == "sif" and encoder.weights is not None:
        pieces = [
            piece if piece is not None else f"[no piece {one}]"
            for one, piece in enumerate(map(tokenizer.backend.id_to_token, range(encoder.vocabulary.size)))
        ]
        weights = dict(zip(pieces, encoder.weights.tolist(), strict=True))
        after["WordWeights"] = {"vocab": pieces, "word_weights": weights, "unknown_word_weight": 1.0}
    chosen = {key: key == POOLS[encoder.pool] for key in POOLS.values()}
    after["Pooling"] = {"word_embedding_dimension": encoder.dim, "include_prompt": True, **chosen}
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for place, (kind, config) in enumerate(after.items(), start=1):
        path = f"{place}_{kind}"
        (folder / path).mkdir()
        records.write_json(folder / path / "config.json", config)
        modules.append(
            {
                "idx": place,
                "name": str(place),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
        )
    records.write_json(folder / "modules.json", modules)


def prelayernorm_config(trunk: TextTransformer, *, pad: int) -> dict[str, Any]:
    """The config.json of the same network in transformers; its positions begin after the id that fills up."""
    blocks = [block for block in trunk.blocks if isinstance(block, TextBlock)]
    return {
        "model_type": "roberta-prelayernorm",
        "architectures": ["RobertaPreLayerNormModel"],
        "vocab_size": trunk.tokens.num_embeddings,
        "hidden_size": trunk.dim,
        "num_hidden_layers": len(blocks),
        "num_attention_heads": blocks[0].heads,
        "intermediate_size": 4 * trunk.dim,
        "hidden_act": "gelu",
        "hidden_dropout_prob": trunk.drop.share,
        "attention_probs_dropout_prob": blocks[0].attention_dropout,
        "max_position_embeddings": trunk.places.num_embeddings + pad + 1,
        "type_vocab_size": 1,
        "layer_norm_eps": trunk.norm_in.eps,
        "pad_token_id": pad,
        "torch_dtype": "float32",
    }


def prelayernorm_tensors(trunk: TextTransformer, *, pad: int) -> dict[str, Tensor]:
    """The weights under the names of transformers' `RobertaPreLayerNormModel`.

    >>> trunk = TextTransformer(size=6, width=8, depth=1, heads=2, positions=4)
    >>> tensors = prelayernorm_tensors(trunk, pad=1)
    >>> torch.equal(tensors["embeddings.position_embeddings.weight"][2:], trunk.places.weight)
    True
    """
    places = trunk.places.weight.detach()
    before = places.new_zeros(pad + 1, trunk.dim)
    found = {
        "embeddings.word_embeddings.weight": trunk.tokens.weight.detach(),
        "embeddings.position_embeddings.weight": torch.cat([before, places]),
        "embeddings.token_type_embeddings.weight": places.new_zeros(1, trunk.dim),
        **_named("embeddings.LayerNorm", trunk.norm_in),
        **_named("LayerNorm", trunk.norm_out),
        # a pooler that we have not, and that neither pooling looks at: zeros, where the library would draw weights
        "pooler.dense.weight": places.new_zeros(trunk.dim, trunk.dim),
        "pooler.dense.bias": places.new_zeros(trunk.dim),
    }
    for number, block in enumerate(trunk.blocks):
        assert isinstance(block, TextBlock)
        at = f"encoder.layer.{number}"
        turns = zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
        for name, (weight, bias) in zip(("query", "key", "value"), turns, strict=True):
            found[f"{at}.attention.self.{name}.weight"] = weight.detach().clone()
            found[f"{at}.attention.self.{name}.bias"] = bias.detach().clone()
        found |= _named(f"{at}.attention.LayerNorm", block.norm1)
        found |= _named(f"{at}.attention.output.dense", block.proj)
        found |= _named(f"{at}.intermediate.LayerNorm", block.norm2)
        found |= _named(f"{at}.intermediate.dense", block.mlp[0])
        found |= _named(f"{at}.output.dense", block.mlp[2])
    return {name: tensor.float().contiguous().cpu() for name, tensor in found.items()}


def compared(
    encoder: TextEncoder, tokenizer: TextTokenizer, folder: Path, texts: Sequence[str], *, max_length: int
) -> tuple[float | None, str]:
    """Largest difference of what sentence-transformers makes of the texts, None and why where it is not installed.

    Raises `InputError` where outputs differ by more than 1e-5 of the largest.
    """
    complete_torchvision()  # the library imports it
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None, str(missing_extra("sentence_transformers", "comparing it"))
    expected = embed_texts(encoder, tokenizer, texts, max_length=max_length)
    opened = SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
    found: Float[Tensor, "n dim"] = torch.as_tensor(
        opened.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
    )
    difference = require_same(
        expected.double(), found.double(), tolerance=TOLERANCE, what="sentence-transformers model"
    )
    return difference, ""


def _write_tokenizer(tokenizer: TextTokenizer, folder: Path, *, max_length: int) -> None:
    """The tokeniser with its special tokens around a text, as they are put there in training."""
    tree = json.loads(tokenizer.backend.to_str())
    special, ids = tokenizer.special, tokenizer.vocabulary
    tree["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            _piece(special["first"]),
            {"Sequence": {"id": "A", "type_id": 0}},
            _piece(special["last"]),
        ],
        "pair": [
            *(_piece(special["first"]), {"Sequence": {"id": "A", "type_id": 0}}, _piece(special["last"])),
            *({"Sequence": {"id": "B", "type_id": 0}}, _piece(special["last"])),
        ],
        "special_tokens": {
            piece: {"id": piece, "ids": [place], "tokens": [piece]}
            for piece, place in ((special["first"], ids.cls), (special["last"], ids.sep))
        },
    }
    records.write_atomic(folder / "tokenizer.json", json.dumps(tree, ensure_ascii=False).encode())
    names = {
        "pad_token": special["pad"],
        "cls_token": special["first"],
        "sep_token": special["last"],
        "mask_token": special["mask"],
    }
    records.write_json(folder / "special_tokens_map.json", names)
    records.write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_length, **names},
    )


def _piece(piece: str) -> Mapping[str, Any]:
    return {"SpecialToken": {"id": piece, "type_id": 0}}


def _named(name: str, module: Any) -> dict[str, Tensor]:
    return {f"{name}.weight": module.weight.detach(), f"{name}.bias": module.bias.detach()}
