"""Rank correlations as plain numbers."""

from collections.abc import Sequence
from typing import Any, cast

from scipy import stats


def spearman(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Spearman's rank correlation, in [-1, 1]."""
    return float(cast(Any, stats.spearmanr(ours, theirs)).statistic)


def kendall(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Kendall's tau, in [-1, 1]."""
    return float(cast(Any, stats.kendalltau(ours, theirs)).statistic)
