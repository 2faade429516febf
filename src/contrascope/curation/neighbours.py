"""The pictures that are most like one for an encoder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.curation.rows import NamedRows, one_picture, rows_of
from contrascope.curation.search import near_rows
from contrascope.data.folders.names import shown_name
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import images_from
from contrascope.errors import InputError, did_you_mean
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent
from contrascope.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class NearImages:
    """The nearest images of a query."""

    rows: NamedRows
    """The images that were searched."""
    query: NamedRows
    """The query, one row."""
    inside: bool
    """Whether the query is one of the images; it is not its own neighbour then."""
    index: Int[Tensor, " k"]
    """Rows of the neighbours, nearest first."""
    cosine: Float[Tensor, " k"]
    """Their similarity, falling, -1 to 1."""


@single_precision()
def find_neighbours(
    subject: Subject,
    query: Any,
    *,
    k: int = 10,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> NearImages:
    """The k images of a subject that are nearest to a query by cosine.

    `query`: a picture file, an image [channel height width] in memory, or the name of one of the images, as `names`
    has it; a name is looked for first, and for rows of a file there is nothing else.
    """
    if k < 1:
        raise InputError(f"k is {k} neighbours; expected at least 1.")
    place = None
    if isinstance(query, str | Path):
        place = {name: at for at, name in reversed(list(enumerate(subject.names)))}.get(str(query))
    picture = None if place is not None else _picture(subject, query)
    rows = rows_of(subject, device=device, progress=progress)
    asked = rows.part(torch.tensor([place])) if picture is None else rows_of(subject, picture, device=device)
    most = len(rows) - int(place is not None)
    if most < 1:
        raise InputError(f"{rows.about} has no other image than {query}; expected 2 or more.")
    near = near_rows(asked.h, rows.h, min(k, most) + int(place is not None))
    kept = near.index[0] != place if place is not None else torch.ones_like(near.index[0], dtype=torch.bool)
    return NearImages(
        rows=rows,
        query=asked,
        inside=place is not None,
        index=near.index[0][kept][: min(k, most)],
        cosine=near.value[0][kept][: min(k, most)],
    )


def _picture(subject: Subject, query: Any) -> ImageSet:
    """The query as a set of one image; one sentence where it is neither a file nor a name."""
    if not isinstance(query, str | Path):
        return images_from(query[None])
    file = Path(query).expanduser()
    if subject.networks is None or not file.is_file():
        what = (
            "a folder" if file.is_dir() else "no picture file" if subject.networks is not None else "no row"
        )
        known = did_you_mean(str(query), subject.names, listed=[shown_name(one) for one in subject.names[:3]])
        raise InputError(
            f"{query} is {what}, and {subject.name} has no image of that name; expected one picture or one name. "
            f"{known}"
        )
    return one_picture(subject, file)
