"""Operation (e): horizontal flip."""

from dataclasses import dataclass

from contrascope.augment.op import AbstractOp, Params, Shape, check_probability, draw_switch, on_chosen
from contrascope.draws import DrawKey
from contrascope.settings import written_as
from contrascope.types import FloatImages


@written_as("HorizontalFlip")
@dataclass(frozen=True, kw_only=True)
class HorizontalFlip(AbstractOp):
    """Left and right exchanged.

    >>> import torch
    >>> images = torch.tensor([[[[0.1, 0.2]]]])
    >>> HorizontalFlip().apply(images, {"on": torch.tensor([True])})[0, 0, 0, 0].item()
    0.2...
    """

    p: float = 0.5
    """Probability."""

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        return {"on": draw_switch(key, self.p)}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, lambda chosen, _: chosen.flip(3))
