"""Estimates from the fair sample: profiles with a hash of their mpid below a threshold (DEFINITION 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.data.values import Mask

SAMPLE: Final = 50_000
"""About how many profiles are sampled."""

LEAST: Final = 30
"""Fewer sampled members than this say too little."""

_Z: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated size with its 95 % interval; `symbol` "~" (too few) or "error" (`reason`) instead of numbers."""

    size: int | None
    low: int | None
    high: int | None
    sample_users: int
    symbol: str | None = None
    reason: str | None = None


def sampled(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Mask:
    """Which profiles are in the sample: bool, one a profile; all where there are fewer than the sample's size."""
    if len(hashes) <= SAMPLE:
        return np.ones(len(hashes), np.bool_)
    threshold = np.uint64(SAMPLE / len(hashes) * 2**64)
    return np.asarray(hashes < threshold)


def estimated(members: int, sample_users: int, universe: int, everybody: bool) -> Estimate:
    """The estimate from `members` among `sample_users` of a universe; `everybody`: the sample is the universe.

    Wilson score interval with finite-population correction: the sample size is replaced by the effective one,
    n (N - 1) / (N - n). Source: E. B. Wilson, JASA 22 (1927); W. G. Cochran, Sampling Techniques, chapter 2.
    """
    if everybody:
        return Estimate(members, members, members, sample_users)
    if members < LEAST:
        return Estimate(None, None, None, sample_users, "~")
    share = members / sample_users
    effective = sample_users * (universe - 1) / max(universe - sample_users, 1)
    spread = _Z * math.sqrt(share * (1 - share) / effective + _Z**2 / (4 * effective**2))
    center = share + _Z**2 / (2 * effective)
    scale = 1 + _Z**2 / effective
    low, high = (max(0.0, min(1.0, (center + sign * spread) / scale)) * universe for sign in (-1, 1))
    return Estimate(round(share * universe), math.floor(low), math.ceil(high), sample_users)
