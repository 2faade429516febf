"""View sets of several policies that contain each other as the policies do, so that distances only fall."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from contrascope.augment.policy import LETTERS, policy
from contrascope.augment.settings import PolicySettings
from contrascope.augment.views import make_views
from contrascope.errors import InputError
from contrascope.types import ByteImages


@dataclass(frozen=True, kw_only=True)
class NestedViews:
    """Bytes of the views of every policy, [views n channel height width]; view 0 is the image itself."""

    views: dict[str, UInt8[Tensor, "views n channel height width"]]
    """By name, as `policy_name` makes it; all of one shape."""
    distinct: dict[str, int]
    """How many of each policy's views were drawn (with the image itself); the others repeat them."""


def policy_name(settings: PolicySettings) -> str:
    """Letters, and the strength of colour distortion where it is among them.

    >>> policy_name(PolicySettings(name="ad", strength=0.25)), policy_name(PolicySettings(name="ab"))
    ('ad@0.25', 'ab')
    """
    return f"{settings.name}@{_strength(settings):g}" if "d" in settings.name else settings.name


def _strength(settings: PolicySettings) -> float:
    if "d" not in settings.name:
        return 0.0
    return 0.5 if settings.strength is None else settings.strength


def contains(richer: PolicySettings, poorer: PolicySettings) -> bool:
    """Whether every view of the poorer policy is one of the richer: fewer letters, no stronger colours.

    Up to closure: an operation that is off, or a crop of the whole image, leaves the image as it is.

    >>> contains(PolicySettings(name="ad"), PolicySettings(name="a"))
    True
    """
    return set(poorer.name) <= set(richer.name) and _strength(poorer) <= _strength(richer)


def nested_views(
    images: ByteImages,
    policies: Sequence[PolicySettings],
    *,
    ids: Int[Tensor, " ids"],
    num_views: int = 32,
    seed: int = 0,
) -> NestedViews:
    """Views of every policy, by letters; the set of a richer policy contains those of all poorer ones listed.

    So the estimated augmented distance of a richer policy is nowhere larger, as the true one. All sets have
    `num_views` views. Finite sets of one size that contain each other are equal, so a set holds the image, the
    same number of own views, those of the poorer policies listed, and repeats these up to the size: `distinct`
    counts without repeats, and only policies with equal counts are estimated equally well (all pairs of two
    letters beside their single letters are). Draws are keyed: equal operations at equal places of two policies
    have equal parameters in equal views. Values are rounded to bytes.

    >>> images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    >>> chain = [PolicySettings(name="a"), PolicySettings(name="ad")]
    >>> found = nested_views(images, chain, ids=torch.arange(2), num_views=5)
    >>> found.distinct, found.views["a"].shape
    ({'a': 3, 'ad@0.5': 5}, torch.Size([5, 2, 3, 8, 8]))
    """
    own = _own_views(policies, num_views)
    drawn = {}
    for one in policies:
        letters = policy(one.name, strength=_strength(one))
        made, _ = make_views(images, letters, ids=ids, seed=seed, epoch=0, num_views=own)
        drawn[policy_name(one)] = (made * 255).round_().clamp_(0, 255).to(torch.uint8)
    views, distinct = {}, {}
    for one in policies:
        inside = [drawn[policy_name(other)] for other in policies if contains(one, other)]
        pool = torch.cat([images[None], *inside])
        places = [0] + [1 + place % (len(pool) - 1) for place in range(num_views - 1)]
        views[policy_name(one)] = pool[torch.tensor(places)]
        distinct[policy_name(one)] = len(pool)
    return NestedViews(views=views, distinct=distinct)


def _own_views(policies: Sequence[PolicySettings], num_views: int) -> int:
    names = [policy_name(one) for one in policies]
    unknown = [one.name for one in policies if not one.name or set(one.name) - set(LETTERS)]
    if unknown or len(set(names)) < len(names) or not names:
        raise InputError(
            f"policies {names}; expected at least one, none twice, each by letters of {''.join(LETTERS)}. "
            "Presets have no known order of inclusion."
        )
    resized = [one.name for one in policies if one.size is not None]
    if resized:
        raise InputError(
            f"policies {resized} put out views of another size, which cannot hold the image itself. Leave size out."
        )
    deepest = max(sum(contains(one, other) for other in policies) for one in policies)
    if num_views < 1 + deepest:
        raise InputError(
            f"num_views={num_views}; the richest policy contains {deepest} of the list, so at least {1 + deepest}."
        )
    return (num_views - 1) // deepest
