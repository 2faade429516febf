"""Models of transformers as networks over tokens."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.extras import missing_extra
from contrascope.machine.torchvision_operators import complete_torchvision
from contrascope.text.packed import CUT, KEY, PLACE, TOKEN, real
from contrascope.text.settings import TextEncoderSettings
from contrascope.text.transformer import TokenStates


class HubTransformer(nn.Module):
    """An encoder of transformers; its dropout follows from the keys of all sentences of a batch together.

    So a batch is replayed with the same masks, and a sentence in another batch has others: the library draws for the
    whole batch. Operations that cut embeddings off need the network of ours.
    """

    def __init__(self, model: nn.Module, *, dim: int) -> None:
        super().__init__()
        self.model, self.dim = model, dim

    @property
    def token_weight(self) -> Float[Tensor, "size dim"]:
        """Embeddings of all ids."""
        model: Any = self.model
        return model.get_input_embeddings().weight

    def forward(self, sentences: Int[Tensor, "batch length fields"]) -> TokenStates:
        """The states of all tokens."""
        if sentences[..., CUT].any():
            raise InputError(
                "cut-tokens and cut-features act inside the network of ours; leave them out for hf: models."
            )
        stands, keys = real(sentences), sentences[:, 0, KEY]
        asked: dict[str, Tensor] = {"input_ids": sentences[..., TOKEN], "attention_mask": stands.long()}
        usual = torch.arange(sentences.shape[1], device=sentences.device)
        if bool((stands & (sentences[..., PLACE] != usual)).any()):
            asked["position_ids"] = sentences[..., PLACE].clamp_min(0)
        dropping = self.training and bool((keys >= 0).any())
        was = self.model.training
        self.model.train(dropping)
        devices = [] if sentences.device.type == "cpu" else [sentences.device]
        try:
            with torch.random.fork_rng(devices=devices, enabled=dropping):
                if dropping:
                    torch.manual_seed(int(keys.clamp_min(0).cumsum(0).sum() % 2**62))
                found = self.model(**asked, output_hidden_states=True)
        finally:
            self.model.train(was)
        hidden = found.hidden_states
        return TokenStates(embedded=hidden[0], first=hidden[1], last=found.last_hidden_state)


def hub_trunk(name: str, settings: TextEncoderSettings) -> HubTransformer:
    """The model of a local folder or of a name on the hub, in float32, its weights as they were published.

    Rates of dropout are those of the settings, where its configuration has BERT's words for them.
    """
    complete_torchvision()  # transformers imports it
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise missing_extra("transformers", "an encoder hf:NAME") from error
    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        for key, value in (
            ("hidden_dropout_prob", settings.dropout),
            ("attention_probs_dropout_prob", settings.attention_dropout),
        ):
            if hasattr(config, key):
                setattr(config, key, value)
        model: Any = AutoModel.from_pretrained(
            place,
            config=config,
            trust_remote_code=False,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation="sdpa",  # a configuration may name code of the hub there
        )
    except Exception as error:  # a wrong config.json ends in errors of many types
        raise InputError(
            f"there is no model {name!r} ({_first_line(error)}). Name a folder in the hub's layout with "
            "safetensors, or a model of the hub."
        ) from error
    return HubTransformer(model, dim=int(config.hidden_size))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
