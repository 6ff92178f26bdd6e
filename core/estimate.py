"""Estimates from the fair sample: profiles with a hash of their mpid below a threshold (DEFINITION 4)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from core.data import sample
from core.data.values import Mask
from core.errors import DatasetError

if TYPE_CHECKING:
    from core.criteria import Criterion
    from core.scope import Scope

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


def estimate(parts: Iterable[tuple[Scope, int]], root: Criterion, profiles: int) -> Estimate:
    """The size of a tree in an account of so many profiles; a technical failure is an estimate, too.

    `parts`: of every shard the scope in which the sample is judged, of everybody or of the sample's slice, and the size
    of the shard's universe.
    """
    sampled_members = users = universe = 0
    try:
        for scope, size in parts:
            sampled = in_sample(scope.snapshot.hash, profiles)
            sampled_members += int(np.count_nonzero(scope.judge(root) & sampled))
            users += int(np.count_nonzero(sampled & scope.universe))
            universe += size
    except (DatasetError, pl.exceptions.PolarsError, OSError, MemoryError) as error:
        return Estimate(None, None, None, 0, "error", str(error))
    return estimated(sampled_members, users, universe, profiles <= sample.SAMPLE)


def in_sample(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]], profiles: int) -> Mask:
    """Which of these profiles are in the sample: bool, one a profile; all where the account's `profiles` are few."""
    if profiles <= sample.SAMPLE:
        return np.ones(len(hashes), np.bool_)
    threshold = np.uint64(sample.SAMPLE / profiles * 2**64)
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
