"""Rows of pictures for gallery.json: views with what made them, extremes, nearest neighbours."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views
from contrascope.data.pictures.thumbnails import Thumbnails
from contrascope.draws import PROBE_EPOCH
from contrascope.gallery.part import GallerySettings, Part
from contrascope.intervals import generator
from contrascope.linalg import nearest


class Rows:
    """Rows of pictures; each row names its image, its label and its tile."""

    def __init__(
        self, part: Part, policies: tuple[Policy, ...], thumbnails: Thumbnails, settings: GallerySettings
    ) -> None:
        self._part, self._policies, self._put = part, policies, thumbnails.put
        self._settings = settings

    def views(self) -> list[dict[str, Any]]:
        """The first images of a random order with many views."""
        order = torch.randperm(len(self._part.images), generator=generator(self._settings.seed, "rows"))
        return [self._viewed(i, self._settings.views) for i in order[: self._settings.rows].tolist()]

    def extremes(self, order: Int[Tensor, " n"]) -> list[dict[str, Any]]:
        """The first images of an order with the views by which they were measured."""
        return [
            {
                **self._viewed(i, self._settings.measured_views),
                "alignment": round(float(self._part.alignment[i]), 4),
            }
            for i in order[: self._settings.rows].tolist()
        ]

    def neighbours(self) -> list[dict[str, Any]]:
        """Some images, then confusing ones, each with its nearest neighbours."""
        h, y = self._part.h, self._part.images.y
        found = nearest(h, h, min(self._settings.near, len(h) - 1), exclude_self=True)
        first = found.value[:, 0]
        if y is None:
            confusion = -first
        else:
            other = y[found.index[:, 0]] != y
            confusion = torch.where(other, first, torch.full_like(first, -2.0))
        confusing = confusion.argsort(descending=True)[: self._settings.rows].tolist()
        order = torch.randperm(len(h), generator=generator(self._settings.seed, "neighbours")).tolist()
        plain = [i for i in order[: 2 * self._settings.rows] if i not in confusing][: self._settings.rows]
        return [
            {
                **self._image(i),
                "confusing": i in confusing,
                "near": [
                    {**self._image(int(j)), "cosine": round(float(cosine), 4)}
                    for j, cosine in zip(found.index[i], found.value[i], strict=True)
                ],
            }
            for i in [*plain, *confusing]
        ]

    def _image(self, i: int) -> dict[str, Any]:
        images = self._part.images
        picture = images.gather(torch.tensor([i])).cpu()[0].float() / 255
        y = images.y
        return {
            "tile": self._put(picture, key=i),
            "name": self._part.names[i],
            "label": None if y is None else int(y[i]),
        }

    def _viewed(self, i: int, count: int) -> dict[str, Any]:
        ids = torch.tensor([i])
        pixels = self._part.images.gather(ids).cpu()
        made, params = make_views(
            pixels, self._policies, ids=ids, seed=self._settings.seed, epoch=PROBE_EPOCH, num_views=count
        )
        shown = [
            {"tile": self._put(view[0]), "parameters": _words(self._policies[v % len(self._policies)], drawn)}
            for v, (view, drawn) in enumerate(zip(made, params, strict=True))
        ]
        return {**self._image(i), "views": shown}


def _words(policy: Policy, params: tuple[dict[str, Tensor], ...]) -> list[str]:
    """What was done to one view: the operations that were on, with their numbers."""
    said = []
    for op, drawn in zip(policy.ops, params, strict=True):
        if "on" in drawn and not bool(drawn["on"][0]):
            continue
        name = "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in type(op).__name__).strip()
        numbers = [f"{key} {_number(value[0])}" for key, value in drawn.items() if key != "on"]
        said.append(f"{name}: {', '.join(numbers)}" if numbers else name)
    return said or ["unchanged"]


def _number(value: Tensor) -> str:
    return " ".join(f"{float(part):.3g}" for part in value.flatten()[:8])
