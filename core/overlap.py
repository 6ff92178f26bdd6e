"""Overlap: how much audiences share, and which are nearest to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.audience import Audience
from core.data.values import Mask
from core.errors import DefinitionError
from core.scope import part_of

if TYPE_CHECKING:
    from core.dataset import Dataset

FRAME: Final = pl.Schema(
    {
        "id": pl.String(),
        "name": pl.String(),
        "size": pl.Int64(),
        "both": pl.Int64(),
        "share": pl.Float64(),
        "other_share": pl.Float64(),
        "jaccard": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two audiences share. `size_a` and `size_b`: each of them; `both`; `either`: in at least one."""

    size_a: int
    size_b: int
    both: int

    @property
    def either(self) -> int:
        """How many are in at least one."""
        return self.size_a + self.size_b - self.both

    @property
    def jaccard(self) -> float:
        """both / either; 0 where both are empty."""
        return self.both / self.either if self.either else 0.0


def overlap(a: Mask, b: Mask) -> Overlap:
    """What two audiences of one account share."""
    return Overlap(*(int(np.count_nonzero(mask)) for mask in (a, b, a & b)))


def nearest(members: Mask, others: Mapping[str, tuple[str, Mask]], most: int | None = None) -> pl.DataFrame:
    """Other audiences (id -> name and members) by falling overlap; those that share nobody are left out.

    Columns `id`, `name`, `size`, `both`, `share` of the members and `other_share` of the other's, `jaccard`.
    """
    found = [(key, name, overlap(members, mask)) for key, (name, mask) in others.items()]
    rows = [
        (key, name, each.size_b, each.both, each.both / each.size_a, each.both / each.size_b, each.jaccard)
        for key, name, each in found
        if each.both
    ]
    rows.sort(key=lambda row: (-row[-1], row[1], row[0]))
    return pl.DataFrame(rows[:most], schema=FRAME, orient="row")


def overlaps(audiences: Mapping[str, Mask]) -> pl.DataFrame:
    """Every pair of audiences (name -> members): columns `a`, `b`, `size_a`, `size_b`, `both`, `jaccard`."""
    names = list(audiences)
    pairs = [(a, b, overlap(audiences[a], audiences[b])) for at, a in enumerate(names) for b in names[at + 1 :]]
    rows = [(a, b, each.size_a, each.size_b, each.both, each.jaccard) for a, b, each in pairs]
    counts = {name: pl.Int64() for name in ("size_a", "size_b", "both")}
    schema = {"a": pl.String(), "b": pl.String(), **counts, "jaccard": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def combinations(audiences: Mapping[str, Mask]) -> pl.DataFrame:
    """Everybody who is in at least one audience by the ones they are in: `audiences` (names), `size`, most first."""
    names = list(audiences)
    codes = sum((mask.astype(np.int64) << at for at, mask in enumerate(audiences.values())), np.zeros(1, np.int64))
    found, counts = np.unique(codes[codes > 0], return_counts=True)
    rows = [
        ([name for at, name in enumerate(names) if code >> at & 1], int(count))
        for code, count in zip(found.tolist(), counts, strict=True)
    ]
    rows.sort(key=lambda row: (-row[1], row[0]))
    return pl.DataFrame(rows, schema={"audiences": pl.List(pl.String), "size": pl.Int64()}, orient="row")


@dataclass(frozen=True, slots=True)
class Others:
    """The members of other audiences at one moment, held in a bit each. `unknown`: names of those that are refused."""

    names: Mapping[str, str]
    members: Mapping[str, npt.NDArray[np.uint8]]
    size: int
    unknown: tuple[str, ...]

    def mask(self, key: str) -> Mask:
        """The members of one of them."""
        return np.unpackbits(self.members[key], count=self.size).astype(np.bool_)

    def nearest(self, members: Mask, most: int | None = None) -> pl.DataFrame:
        """The nearest ones, as `nearest` tells them."""
        return nearest(members, {key: (name, self.mask(key)) for key, name in self.names.items()}, most)


def others(
    dataset: Dataset,
    audiences: Mapping[str, Audience],
    *,
    now: datetime,
    named: Mapping[str, Audience] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Others:
    """Evaluate other audiences (by id) at a moment; `named` answer memberships (`audiences` unless given).

    `progress(done, total)` is called before each and while it is looked at; what it raises stops the work. Those that
    this dataset refuses are named in `unknown` instead.
    """
    aside, members, unknown = dataset.aside(), {}, []
    for done, (key, audience) in enumerate(audiences.items()):
        step = part_of(progress, done, len(audiences))
        try:
            result = aside.evaluate(audience, now=now, audiences=audiences if named is None else named, progress=step)
        except DefinitionError:
            unknown.append(audience.name)
        else:
            members[key] = np.packbits(result.mask)
    names = {key: audiences[key].name for key in members}
    return Others(names, members, dataset.size[0], tuple(unknown))
