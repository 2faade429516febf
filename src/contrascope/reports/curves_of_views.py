"""Figures of gallery.json that are curves: spectra, R_eps and concentration, beside the random encoder."""

from collections.abc import Mapping
from typing import Any

from contrascope.records.entry import Entry
from contrascope.records.gallery import Share
from contrascope.records.lookup import value_at
from contrascope.records.vocabulary import RANDOM_LAYERS as LAYERS
from contrascope.reports.blocks import Figure, Table, axes, line, rows_of, sample, short
from contrascope.reports.load import RunRecords, number


def spectra(run: RunRecords) -> Figure | None:
    """Eigenvalues of the covariance of every layer."""
    found = {key: _positive(run.gallery.spectra.get(key, ())) for key in LAYERS}
    found = {key: values for key, values in found.items() if values}
    if not found:
        return None
    data = [
        line(LAYERS[key], range(1, len(values) + 1), values, place)
        for place, (key, values) in enumerate(found.items())
    ]
    longest = max(map(len, found.values()))
    ranks, note = sample(range(1, longest + 1), 30)
    columns = [[values[r - 1] if r <= len(values) else None for r in ranks] for values in found.values()]
    table = Table(
        title="Spectra",
        head=("rank", *(LAYERS[key] for key in found)),
        rows=rows_of(ranks, *columns),
        note=note,
    )
    return Figure(
        title="Spectra of encoder and projector",
        alt="; ".join(
            f"{LAYERS[key]}: {len(values)} positive values, half of the variance in the first "
            f"{_half(values)} directions"
            for key, values in found.items()
        ),
        read="Share of the variance along each direction, the largest first, both axes logarithmic. A cliff means "
        "that few directions are in use; a straight line is a power law.",
        data=data,
        layout={
            "xaxis": {"title": {"text": "rank (log)"}, "type": "log"},
            "yaxis": {
                "title": {"text": "share of the variance (log)"},
                "type": "log",
                "exponentformat": "power",
            },
        },
        table=table,
    )


def _on_grid(layers: Mapping[str, Entry], names: Mapping[str, str], grid: Share) -> dict[str, Share]:
    """Curves by name, of the paths that hold one value for each point of the grid."""
    return {
        name: share
        for path, name in names.items()
        if (share := value_at(dict(layers), path)) and len(share) == len(grid)
    }


def r_epsilon(run: RunRecords) -> Figure | None:
    """Share of images whose worst pair of views is farther apart than eps."""
    curves = run.gallery.r_epsilon
    if curves is None:
        return None
    grid = curves.epsilons
    known = _on_grid(curves.layers, {f"{key}.share": key for key in LAYERS}, grid)
    if not known:
        return None
    data = []
    for place, (key, share) in enumerate(known.items()):
        low, high = curves.layers[key].low, curves.layers[key].high
        if len(low) == len(high) == len(grid):
            data.append(_band(grid, low, high))
        data.append(line(LAYERS[key], grid, share, place))
    kept, note = sample(list(zip(grid, *known.values(), strict=True)), 26)
    head = ("eps (distance)", *(f"{LAYERS[key]} (share)" for key in known))
    return Figure(
        title="R_eps: whose views fall apart?",
        alt="; ".join(
            f"{LAYERS[key]}: half of the images have a pair of views farther apart than {_median(grid, share)}"
            for key, share in known.items()
        ),
        read="Share of images whose worst pair of views is farther apart than eps, of unit rows, with a 95 % "
        "interval over images. A curve that falls early means views that stay together; a random encoder's "
        "falls earliest, because it tells nothing apart.",
        data=data,
        layout=axes("eps (distance, 0 to 2)", "share of images (0 to 1)"),
        table=Table(title="R_eps", head=head, rows=rows_of(*zip(*kept, strict=True)), note=note),
    )


def concentration(run: RunRecords) -> Figure | None:
    """The share of a class whose views reach one another within delta, against delta."""
    curves = run.gallery.concentration
    if curves is None:
        return None
    grid = curves.deltas
    names = {
        f"{layer}.{key}": f"{LAYERS[layer]}, {words}"
        for layer in ("h", "reference_h")
        for key, words in (("mean", "mean over classes"), ("smallest", "smallest class"))
    }
    known = _on_grid(curves.layers, names, grid)
    if not known:
        return None
    kept, note = sample(list(zip(grid, *known.values(), strict=True)), 26)
    head = ("delta (distance)", *(f"{words} (share)" for words in known))
    return Figure(
        title="Concentration: sigma against delta",
        alt="; ".join(
            f"{words}: sigma reaches one half at delta {_reaches(grid, share)}"
            for words, share in known.items()
        ),
        read="sigma(delta): the largest part of a class, found greedily, of which every two images have views at most "
        "delta apart in the encoder, of unit rows. The theory needs sigma near 1 at a small delta, in the smallest "
        "class. The random encoder reaches it at once because it sends everything nearly one way: read this "
        "beside divergence, never alone. Measured with labels, on "
        f"{short(curves.images_per_class)} images a class.",
        data=[line(words, grid, share, place) for place, (words, share) in enumerate(known.items())],
        layout=axes("delta (distance, 0 to 2)", "sigma (share, 0 to 1)"),
        table=Table(title="Concentration", head=head, rows=rows_of(*zip(*kept, strict=True)), note=note),
    )


def _positive(values: Share) -> list[float]:
    positive = [found for value in values if (found := number(value)) is not None and found > 0]
    total = sum(positive)
    return [value / total for value in positive if value / total > 1e-12]


def _half(shares: list[float]) -> int:
    total, place = 0.0, 0
    for place, share in enumerate(shares, start=1):  # noqa: B007 - the last place is the answer
        total += share
        if total >= 0.5:
            break
    return place


def _median(grid: Share, share: Share) -> str:
    above = [eps for eps, part in zip(grid, share, strict=True) if part is not None and part >= 0.5]
    return short(above[-1] if above else 0.0, 3)


def _band(grid: Share, low: Share, high: Share) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*grid, *reversed(grid)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": "rgba(128,128,128,0.25)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _reaches(grid: Share, share: Share) -> str:
    above = [delta for delta, part in zip(grid, share, strict=True) if part is not None and part >= 0.5]
    return short(above[0], 3) if above else "beyond the grid"
