"""The effect of an edit before it is saved: who enters and who leaves, and by which criterion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl

from core.criteria import And, Not, Or
from core.criteria.base import replaced
from core.errors import CoreError

if TYPE_CHECKING:
    from core.data.values import Mask
    from core.evaluate import Evaluation

FRAME: Final = pl.Schema({"change": pl.String(), "path": pl.String(), "sentence": pl.String(), "size": pl.Int64()})


@dataclass(frozen=True, slots=True)
class Cause:
    """How many enter because a criterion of the old version alone kept them out, or leave because one of the new does.

    `path` is in the version of the criterion: the old one for "entering", the new one for "leaving".
    """

    change: Literal["entering", "leaving"]
    path: str
    sentence: str
    size: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What saving changes. Causes may overlap, where either of two criteria decides; `several`: no single one does."""

    before: int
    after: int
    entering: int
    leaving: int
    causes: tuple[Cause, ...]
    entering_by_several: int
    leaving_by_several: int
    entering_universe: int
    """Of those who enter: could not be members before, because of workspaces or retention."""
    leaving_universe: int

    @property
    def frame(self) -> pl.DataFrame:
        """`change`, `path`, `sentence`, `size`, the greatest first; the rest of each change at the end."""
        rows: list[tuple[Any, ...]] = [(each.change, each.path, each.sentence, each.size) for each in self.causes]
        for change, size in (("entering", self.entering_by_several), ("leaving", self.leaving_by_several)):
            if size:
                rows.append((change, None, "several criteria together", size))
        return pl.DataFrame(rows, schema=FRAME, orient="row")


def effect(before: Evaluation, after: Evaluation) -> Effect:
    """What changes from one definition to another, of one account at one moment; CoreError for two moments."""
    if before.now != after.now or before.scope.snapshot is not after.scope.snapshot:
        raise CoreError("The two versions were calculated for different data.", "Evaluate both at the same moment.")
    entering, leaving = after.mask & ~before.mask, before.mask & ~after.mask
    came, by_old = _causes("entering", before, entering)
    went, by_new = _causes("leaving", after, leaving)
    strangers, gone = entering & ~before.scope.universe, leaving & ~after.scope.universe
    return Effect(
        before=before.size,
        after=after.size,
        entering=_count(entering),
        leaving=_count(leaving),
        causes=tuple(sorted((*came, *went), key=lambda cause: -cause.size)),
        entering_by_several=_count(entering & ~by_old & ~strangers),
        leaving_by_several=_count(leaving & ~by_new & ~gone),
        entering_universe=_count(strangers),
        leaving_universe=_count(gone),
    )


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _causes(change: Literal["entering", "leaving"], version: Evaluation, moved: Mask) -> tuple[list[Cause], Mask]:
    """Which criteria of a version keep out those who moved, each by itself; and who is kept out by any one alone."""
    scope, root = version.scope, version.audience.root
    causes, explained = [], np.zeros(scope.size, np.bool_)
    for path, node in version.audience.nodes():
        if isinstance(node, And | Or | Not) or not moved.any():
            continue
        other = [scope.judge(replaced(root, path, group)) for group in (Or.of(), And.of())]
        kept = moved & np.where(scope.judge(node), *other)
        if size := _count(kept):
            causes.append(Cause(change, path, node.sentence, size))
            explained |= kept
    return causes, explained
