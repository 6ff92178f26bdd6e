"""Near misses: who is kept out of the audience by the answer of one criterion alone, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from core.criteria import And, Not, Or
from core.criteria.base import replaced

if TYPE_CHECKING:
    from core.evaluate import Evaluation

CLOSEST: Final = 5
FRAME: Final = pl.Schema(
    {"path": pl.String(), "sentence": pl.String(), "size": pl.Int64(), "gap": pl.Float64(), "unit": pl.String()}
)


@dataclass(frozen=True, slots=True)
class Close:
    """A profile that nearly is a member. `gap`: how far its value is from the other answer; None: it cannot be said."""

    mpid: int
    value: Any
    gap: float | None


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Whom one criterion alone keeps out: with its other answer they were members.

    `excluded`: they hold it, and it stands under a not. `gap`: the median of how far they are, in `unit` ("events",
    "days", "kilometers", "" for a value's own); None where that is no question of more or less. `steps`: how many are
    how far away, nearest first, for whole units.
    """

    path: str
    sentence: str
    size: int
    excluded: bool
    gap: float | None
    unit: str | None
    steps: tuple[tuple[float, int], ...]
    closest: tuple[Close, ...]


def near_misses(evaluation: Evaluation, closest: int = CLOSEST) -> list[NearMiss]:
    """For every criterion whom it alone keeps out, the most first; those that keep nobody out are left out."""
    leaves = [(path, node) for path, node in evaluation.audience.nodes() if not isinstance(node, And | Or | Not)]
    found = [_near_miss(evaluation, path, closest) for path, _ in leaves]
    return sorted((each for each in found if each.size), key=lambda each: -each.size)


def near_misses_frame(found: list[NearMiss]) -> pl.DataFrame:
    """A row a criterion: `path`, `sentence`, `size`, `gap`, `unit`."""
    rows = [(each.path, each.sentence, each.size, each.gap, each.unit) for each in found]
    return pl.DataFrame(rows, schema=FRAME, orient="row")


def _near_miss(evaluation: Evaluation, path: str, closest: int) -> NearMiss:
    scope, root = evaluation.scope, evaluation.audience.root
    node = evaluation.node(path)
    holds = scope.judge(node)
    everybody, nobody = (scope.judge(replaced(root, path, other)) for other in (And.of(), Or.of()))
    missing = ~evaluation.mask & np.where(holds, nobody, everybody)
    profiles = np.flatnonzero(missing)
    # A criterion can keep out by holding for some and by not holding for others: not at once, where it stands once.
    excluded = bool(len(profiles)) and bool(holds[profiles[0]])
    gap = node.gap(scope, not excluded) if len(profiles) else None
    gaps = np.full(len(profiles), np.nan) if gap is None else gap.values[profiles]
    known = gaps[~np.isnan(gaps)]
    steps = np.unique(known if gap is not None and gap.whole else known[:0], return_counts=True)
    order = np.lexsort((scope.snapshot.hash[profiles], np.where(np.isnan(gaps), np.inf, gaps)))[:closest]
    return NearMiss(
        path,
        node.sentence,
        len(profiles),
        excluded,
        float(np.median(known)) if len(known) else None,
        gap.unit if gap is not None and len(known) else None,
        tuple((float(step), int(count)) for step, count in zip(steps[0], steps[1], strict=True)),
        tuple(_close(evaluation, path, int(profiles[at]), float(gaps[at])) for at in order),
    )


def _close(evaluation: Evaluation, path: str, profile: int, gap: float) -> Close:
    node, scope = evaluation.node(path), evaluation.scope
    evidence = node.evidence(scope, profile)
    value = evidence.value if evidence is not None and not evidence.identifying else None
    return Close(int(scope.snapshot.mpid[profile]), value, None if np.isnan(gap) else gap)
