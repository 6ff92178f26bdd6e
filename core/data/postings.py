"""Postings: whose the rows of some events (or of their products) are, in the order of a property's codes.

Who asks for a few of its values looks at their rows only. Postings are made of a column when a predicate that accepts
few of its rows is first asked of it; they are kept in the column cache, and may be lost like everything there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.data import kernels, worth
from core.data.coded import Codes, Column
from core.data.columns import EventStore, Products
from core.data.events import Index, Rows
from core.data.letters import Arrays
from core.data.values import Mask

LEAST: Final = 100_000
"""Fewer rows are looked at as fast."""

SHARE: Final = 8
"""Where a predicate accepts more than one in so many rows, all of them are looked at as fast."""

_SAMPLE: Final = 1024
"""So many rows tell about how many a predicate accepts."""


@dataclass(frozen=True)
class Postings:
    """Rows in the order of (code, run, row), runs being those of their store."""

    profile: npt.NDArray[np.uint32]
    """Whose each row is."""
    begins: npt.NDArray[np.uint32]
    """Where the rows of each code begin in each run, code by code, and behind them how many rows there are."""
    runs: int

    @staticmethod
    def arrays(column: Column, profile: npt.NDArray[np.uint32], bounds: Index) -> Arrays:
        """What the cache keeps of a column and of whose its rows are; `bounds` are those of its store."""
        counts = np.zeros((len(column.dictionary), len(bounds) - 1), np.uint32)
        for run in range(len(bounds) - 1):
            found = np.bincount(column.codes[bounds[run] : bounds[run + 1]])
            counts[: len(found), run] = found
        begins = np.append(np.uint32(0), np.cumsum(counts, dtype=np.uint32))
        return {"profile": profile[np.argsort(column.codes, kind="stable")], "begins": begins}

    def part(self, table: Mask, first: Index, last: Index) -> kernels.Part:
        """The rows of some runs (ranges from `first` to before `last`) whose codes a table accepts."""
        places = np.flatnonzero(table)[:, None] * self.runs
        starts, stops = (self.begins[(places + each).ravel()].astype(np.int64) for each in (first, last))
        return kernels.Part(self.profile, (starts, stops, kernels.ALL))


def posted(
    store: EventStore, of: EventStore | Products, ref: tuple[str, str], table: Mask, rows: Rows
) -> kernels.Part | None:
    """Those of a store's rows, by whose they are, whose property has a code that a table accepts; None where looking at
    all of them is as fast. `of`: the store, or its products where each event has just one.
    """
    column, bounds = of.column(*ref), store.bounds
    runs = len(bounds) - 1
    key = f"{'event' if of is store else 'product'}/{'/'.join(ref)}"

    def sample() -> Codes:
        return column.codes[:: max(store.size // _SAMPLE, 1)].copy()

    def make() -> Postings:
        arrays = store.bundle(f"postings/{key}", lambda: Postings.arrays(column, of.profile, bounds))
        return Postings(arrays["profile"], arrays["begins"], runs)

    def few() -> bool:
        accepted = np.mean(table[store.remembered(f"sample/{key}", sample)])
        pieces = np.count_nonzero(table) * len(rows.first) / rows.size
        return bool(max(accepted, pieces) * SHARE <= 1)

    if len(rows.keep) or not worth.pays(store.size >= max(LEAST, len(column.dictionary) * runs) and few()):
        return None
    first_run = int(store.events.begins.searchsorted(store.start))
    return store.remembered(f"postings/{key}", make).part(table, rows.first - first_run, rows.last - first_run)
