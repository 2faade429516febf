"""Views that the best policies make, as a record for the report."""

from collections.abc import Sequence

import torch

from contrascope.advice.policies import Candidate, words_of
from contrascope.augment.policy import to_float
from contrascope.augment.views import make_views
from contrascope.data.imageset import InMemoryImages
from contrascope.data.pictures.thumbnails import Thumbnails, thumbnail_side
from contrascope.draws import PROBE_EPOCH
from contrascope.intervals import generator
from contrascope.records.gallery import PolicyGalleryRecord
from contrascope.records.typed import as_record

ROWS, VIEWS = 6, 6


def policy_gallery(
    images: InMemoryImages, policies: Sequence[Candidate], *, seed: int
) -> PolicyGalleryRecord:
    """Six images with six views of each policy: numbers of tiles in sheets of thumbnails."""
    ids = torch.randperm(len(images), generator=generator(seed, "advice gallery"))[:ROWS].sort().values
    pixels = images.gather(ids)
    thumbnails = Thumbnails(thumbnail_side(*images.shape[1:]))
    clean = [thumbnails.put(picture) for picture in to_float(pixels)]
    shown = []
    for one in policies:
        views, _ = make_views(pixels, one.policy, ids=ids, seed=seed, epoch=PROBE_EPOCH, num_views=VIEWS)
        tiles = [[thumbnails.put(view) for view in row] for row in views.transpose(0, 1)]
        shown.append({"name": one.name, "operations": words_of(one.ops), "rows": tiles})
    names = images.names(ids) if images.has_names else ()
    tree = {"images": clean, "names": names, "policies": shown, "sheets": thumbnails.sheets()}
    return as_record(PolicyGalleryRecord, tree)
