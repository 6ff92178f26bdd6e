"""The effect of an edit before it is saved: who enters and who leaves, and by which criterion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl

from core.criteria import And, Not, Or
from core.criteria.base import replaced
from core.errors import CoreError
from core.scope import Steps

if TYPE_CHECKING:
    from core.criteria import Criterion
    from core.data.values import Mask
    from core.evaluate import Evaluation
    from core.scope import Scope

Change = Literal["entering", "leaving"]
Progress = Callable[[int, int], None]

FRAME: Final = pl.Schema({"change": pl.String(), "path": pl.String(), "sentence": pl.String(), "size": pl.Int64()})


@dataclass(frozen=True, slots=True)
class Cause:
    """How many enter because a criterion of the old version alone kept them out, or leave because one of the new does.

    `path` is in the version of the criterion: the old one for "entering", the new one for "leaving".
    """

    change: Change
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


def effect(before: Evaluation, after: Evaluation, progress: Progress | None = None) -> Effect:
    """What changes from one definition to another, of one account at one moment; CoreError for two moments.

    `progress(done, total)` is called while criteria are looked at; what it raises stops the work.
    """
    if before.now != after.now or before.part_count != after.part_count:
        raise _different()
    steps = Steps(progress, before.part_count)
    found = _Sums()
    versions: dict[Change, Evaluation] = {"entering": before, "leaving": after}
    for change, version in versions.items():
        found.causes.update({(change, path, node.sentence): 0 for path, node in _leaves(version)})
    for (old, was), (new, now) in zip(before.parts(steps), after.parts(steps), strict=True):
        if old.snapshot is not new.snapshot:
            raise _different()
        entering, leaving = now & ~was, was & ~now
        strangers, gone = entering & ~old.universe, leaving & ~new.universe
        by_old = _explained("entering", old, before, entering, found.causes)
        by_new = _explained("leaving", new, after, leaving, found.causes)
        found.counts += Counter(
            entering=_count(entering),
            leaving=_count(leaving),
            entering_by_several=_count(entering & ~by_old & ~strangers),
            leaving_by_several=_count(leaving & ~by_new & ~gone),
            entering_universe=_count(strangers),
            leaving_universe=_count(gone),
        )
        steps.next()
    causes = [Cause(*cause, size) for cause, size in found.causes.items() if size]
    counts = {name: found.counts[name] for name in _COUNTED}
    return Effect(before.size, after.size, causes=tuple(sorted(causes, key=lambda each: -each.size)), **counts)


_COUNTED: Final = (
    *("entering", "leaving", "entering_by_several", "leaving_by_several"),
    *("entering_universe", "leaving_universe"),
)


@dataclass
class _Sums:
    """What was found in the shards so far."""

    counts: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[Change, str, str]] = field(default_factory=Counter)
    """By change, path and sentence."""


def _different() -> CoreError:
    return CoreError("The two versions were calculated for different data.", "Evaluate both at the same moment.")


def _leaves(version: Evaluation) -> list[tuple[str, Criterion]]:
    return [(path, node) for path, node in version.audience.nodes() if not isinstance(node, And | Or | Not)]


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _explained(
    change: Change, scope: Scope, version: Evaluation, moved: Mask, causes: Counter[tuple[Change, str, str]]
) -> Mask:
    """Who of those who moved is kept out by any criterion of a version alone; each criterion counts its own."""
    root, explained = version.audience.root, np.zeros(scope.size, np.bool_)
    for path, node in _leaves(version) if moved.any() else ():
        other = [scope.judge(replaced(root, path, group)) for group in (Or.of(), And.of())]
        kept = moved & np.where(scope.judge(node), *other)
        causes[change, path, node.sentence] += _count(kept)
        explained |= kept
    return explained
