"""How much of the variance lies between images rather than between views of one."""

from contrascope.diagnosis.signals import LayerSignals
from contrascope.intervals import Estimate

NOTHING = 1e-9
"""Variance of unit rows that is rounding."""


def identity_share(layer: LayerSignals) -> Estimate | None:
    """Share of the variance of unit rows that lies between images rather than between views of one.

    The intraclass correlation with images as classes, 1 - L_align / (2 x variance), at most 1; about 0 where views of
    one image are as far apart as views of two. The interval is that of alignment. None without views or variance.
    Unlike retrieval it does not fall where the views leave nothing but a class to recognise.
    """
    if layer.views is None or layer.spread < NOTHING:
        return None
    value, low, high = (
        1 - distance / (2 * layer.spread)
        for distance in (layer.views.alignment.value, layer.views.alignment.high, layer.views.alignment.low)
    )
    return Estimate(value=value, low=low, high=high)
