"""The pieces on which a ReLU network is affine: how many the data meets, and how large they are between views.

Cosentino et al. 2022 (arXiv:2205.06926, section 5) argue that a deeper or wider projector has more of them and
so constrains the encoder less, and never count. Here they are counted, on data and on straight lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.spans import require_rows


@dataclass(frozen=True, kw_only=True)
class AffineLayer:
    """One affine map of a ReLU network: rows x to x weight^T + bias."""

    weight: Float[Tensor, "out dim"]
    """As in `nn.Linear`."""
    bias: Float[Tensor, " out"]
    """Zeros where there is none."""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """What a ReLU network's pieces look like to the data."""

    points: int
    """How many points were asked."""
    distinct: int
    """Different activation patterns among them: 1 for a linear network, at most `points`."""
    dimension: float
    """Mean over points of the rank of the local linear map, under the relative threshold."""
    crossed: Float64[Tensor, " n"]
    """Pieces met on the straight line between the two views of each image, at least 1."""
    size: Float64[Tensor, " n"]
    """Length of that line over the number of its pieces, in units of h; 0 where the views are equal."""


Network = Sequence[AffineLayer]
"""Affine maps with a ReLU between each two."""

ROUNDING = 1e-12
"""Share of the size of a unit's input below which it counts as 0: without biases units that are all off
leave the next ones an input of exactly 0, of which rounding would make switches."""


def activation_patterns(
    network: Network, points: Float[Tensor, "n dim"], *, chunk_rows: int = 4096
) -> Bool[Tensor, "n units"]:
    """Which hidden units are above 0 at every point; no column for a linear network.

    >>> layer = AffineLayer(weight=torch.eye(2), bias=torch.zeros(2))
    >>> activation_patterns([layer, layer], torch.tensor([[1.0, -1.0]])).tolist()
    [[True, False]]
    """
    _check(network, points)
    parts = []
    for rows in points.split(chunk_rows):
        signs = [rows.new_zeros(len(rows), 0, dtype=torch.bool)]
        for layer in network[:-1]:
            before = rows @ layer.weight.T + layer.bias
            signs.append(before > 0)
            rows = before.clamp(min=0)
        parts.append(torch.cat(signs, dim=1))
    return torch.cat(parts)


def distinct_patterns(patterns: Bool[Tensor, "n units"]) -> int:
    """How many different rows there are; exact.

    >>> distinct_patterns(torch.tensor([[True, False], [True, False], [False, False]]))
    2
    """
    if patterns.shape[1] == 0:
        return min(1, len(patterns))
    padded = torch.nn.functional.pad(patterns, (0, -patterns.shape[1] % 8)).view(len(patterns), -1, 8)
    powers = 2 ** torch.arange(8, dtype=torch.uint8, device=patterns.device)
    return len((padded * powers).sum(dim=2, dtype=torch.uint8).unique(dim=0))


def local_map(network: Network, pattern: Bool[Tensor, " units"]) -> Float64[Tensor, "out dim"]:
    """The matrix of the piece with this pattern: the product of the layers, inactive units left out on both sides.

    >>> layer = AffineLayer(weight=torch.eye(2), bias=torch.zeros(2))
    >>> local_map([layer, layer], torch.tensor([True, False])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    active, matrix = _before_last(network, pattern)
    last = network[-1].weight.double()
    return last if active is None or matrix is None else last.index_select(1, active) @ matrix


def _before_last(network: Network, pattern: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Active units of the last hidden layer and the matrix that leads to them; None twice for a linear network."""
    active = matrix = None
    start = 0
    for layer in network[:-1]:
        found = pattern[start : start + len(layer.bias)].nonzero()[:, 0]
        weight = layer.weight.double()[found]
        matrix = weight if active is None or matrix is None else weight.index_select(1, active) @ matrix
        active, start = found, start + len(layer.bias)
    return active, matrix


def local_maps(
    network: Network, points: Float[Tensor, "n dim"]
) -> Iterator[tuple[int, Float64[Tensor, "rows out dim"]]]:
    """Pairs (row, its local map), one point at a time: what `local_jacobians` gives, in a fraction of its time.

    >>> layer = AffineLayer(weight=torch.eye(2), bias=torch.zeros(2))
    >>> [(row, found.tolist()) for row, found in local_maps([layer, layer], torch.tensor([[1.0, -1.0]]))]
    [(0, [[[1.0, 0.0], [0.0, 0.0]]])]
    """
    exact = _in_double(network)
    for row, pattern in enumerate(activation_patterns(network, points)):
        yield row, local_map(exact, pattern)[None]


def local_grams(
    network: Network, points: Float[Tensor, "n dim"]
) -> Iterator[tuple[int, Float64[Tensor, "dim other_dim"]]]:
    """Pairs (row, J^T J of its local map J [out dim]); what the last layer does is multiplied out once for all.

    >>> layer = AffineLayer(weight=2 * torch.eye(2), bias=torch.zeros(2))
    >>> [(row, found.tolist()) for row, found in local_grams([layer, layer], torch.tensor([[1.0, -1.0]]))]
    [(0, [[16.0, 0.0], [0.0, 0.0]])]
    """
    exact = _in_double(network)
    gram = exact[-1].weight.mT @ exact[-1].weight
    for row, pattern in enumerate(activation_patterns(network, points)):
        active, matrix = _before_last(exact, pattern)
        some = gram if active is None else gram.index_select(0, active).index_select(1, active)
        yield row, some if matrix is None else matrix.mT @ (some @ matrix)


def _in_double(network: Network) -> Network:
    """The network in float64, so that not every point converts it anew."""
    return [AffineLayer(weight=layer.weight.double(), bias=layer.bias.double()) for layer in network]


def path_pieces(
    network: Network, start: Float[Tensor, "n dim"], end: Float[Tensor, "ends end_dim"]
) -> Int[Tensor, " n"]:
    """Pieces that the straight line from each start to its end runs through; exact up to rounding, in float64.

    Along a line every unit's input is affine between the places where units before it switch, so its own
    switches are zeros of straight pieces: found layer by layer, none missed however thin the piece. Units that
    switch at one place together count once. Equal ends meet 1 piece.

    >>> layer = AffineLayer(weight=torch.eye(2), bias=torch.zeros(2))
    >>> path_pieces([layer, layer], torch.tensor([[-1.0, -3.0]]), torch.tensor([[1.0, 1.0]])).tolist()
    [3]
    """
    _check(network, start)
    if start.shape != end.shape:
        raise InputError(f"{tuple(start.shape)} starts and {tuple(end.shape)} ends; expected pairs.")
    layers = [(layer.weight.double(), layer.bias.double()) for layer in network[:-1]]
    lines = zip(start.double(), end.double(), strict=True)
    return torch.tensor([len(_knots(layers, one, other)) - 1 for one, other in lines])


def _knots(layers: list[tuple[Tensor, Tensor]], start: Tensor, end: Tensor) -> Tensor:
    """Places in [0, 1] where some unit switches, with both ends."""
    knots = torch.tensor([0.0, 1.0], dtype=torch.float64, device=start.device)
    if torch.equal(start, end):
        return knots
    largest = torch.maximum(start.abs().max(), end.abs().max())
    for depth in range(len(layers)):
        rows = torch.lerp(start, end, knots[:, None])
        for weight, bias in layers[:depth]:
            rows = (rows @ weight.T + bias).clamp(min=0)
        weight, bias = layers[depth]
        before = rows @ weight.T + bias
        length = torch.linalg.vector_norm
        noise = ROUNDING * (length(rows, dim=1)[:, None] * length(weight, dim=1) + bias.abs() + largest)
        before = torch.where(before.abs() <= noise, torch.zeros_like(before), before)
        low, high = before[:-1], before[1:]
        crossing = ((low < 0) & (high > 0)) | ((low > 0) & (high < 0))
        share = low / torch.where(crossing, low - high, torch.ones_like(low))
        places = torch.lerp(knots[:-1, None], knots[1:, None], share)
        knots = torch.cat([knots, places[crossing]]).unique()
        knots = knots[torch.cat([knots.new_ones(1, dtype=torch.bool), knots.diff() > 1e-12])]
    return knots


def regions(
    network: Network,
    first: Float[Tensor, "n dim"],
    second: Float[Tensor, "n dim"],
    *,
    relative: float = 1e-2,
    most_maps: int = 256,
    chunk_rows: int = 4096,
    spectra: Sequence[Float64[Tensor, " rank"]] = (),
) -> Regions:
    """Pieces of a projector as the data meets them: at the first views, and on lines between two views.

    The local maps of at most `most_maps` points, evenly spaced, give the mean dimension; `spectra`, singular
    values (falling) of those of all points, are taken instead where they are known. Memory: `chunk_rows`
    rows, one bit a unit and point, and one line at a time.

    >>> layer = AffineLayer(weight=torch.eye(2), bias=torch.zeros(2))
    >>> found = regions([layer], torch.zeros(3, 2), torch.ones(3, 2))
    >>> found.distinct, found.dimension, found.crossed.tolist()
    (1, 2.0, [1.0, 1.0, 1.0])
    """
    patterns = activation_patterns(network, first, chunk_rows=chunk_rows)
    if not spectra:
        some = (
            torch.linspace(0, len(first) - 1, min(most_maps, len(first)), dtype=torch.float32).round().long()
        )
        exact = _in_double(network)
        maps = (local_map(exact, pattern) for pattern in patterns[some.to(patterns.device)])
        spectra = [torch.linalg.svdvals(one) for one in maps]
    elif len(spectra) != len(first):
        raise InputError(f"got {len(spectra)} spectra for {len(first)} points; expected one each, or none.")
    ranks = [int((values > relative * values[:1]).sum()) for values in spectra]
    crossed = path_pieces(network, first, second).double()
    length = torch.linalg.vector_norm(first.double() - second.double(), dim=1).cpu()
    return Regions(
        points=len(first),
        distinct=distinct_patterns(patterns),
        dimension=sum(ranks) / len(ranks),
        crossed=crossed,
        size=length / crossed,
    )


def _check(network: Network, points: Tensor) -> None:
    require_rows(points, 1, "points")
    if len(network) == 0:
        raise InputError("the network has no layer; expected at least one affine map.")
    width = points.shape[1]
    for place, layer in enumerate(network):
        if layer.weight.shape[1] != width:
            raise InputError(
                f"layer {place} takes {layer.weight.shape[1]} features and gets {width}; expected one number."
            )
        width = len(layer.weight)
