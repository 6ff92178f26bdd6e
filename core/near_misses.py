"""Near misses: who is kept out of the audience by the answer of one criterion alone, and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.criteria import And, Not, Or
from core.criteria.base import replaced
from core.criteria.measures import Values
from core.scope import Steps

if TYPE_CHECKING:
    from core.criteria import Criterion
    from core.data.values import Mask
    from core.evaluate import Evaluation
    from core.scope import Scope

Progress = Callable[[int, int], None]
CLOSEST: Final = 5
FRAME: Final = pl.Schema(
    {
        "path": pl.String(),
        "sentence": pl.String(),
        "size": pl.Int64(),
        "gap": pl.Float64(),
        "unit": pl.String(),
        "instead": pl.String(),
    }
)
MOST_VALUES: Final = 4


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
    how far away, nearest first, for whole units. `instead`: what they did or are instead, with how many: everybody
    counts once, for what is nearest; of values the most frequent.
    """

    path: str
    sentence: str
    size: int
    excluded: bool
    gap: float | None
    unit: str | None
    steps: tuple[tuple[float, int], ...]
    instead: tuple[tuple[str, int], ...]
    closest: tuple[Close, ...]


def near_misses(evaluation: Evaluation, closest: int = CLOSEST, progress: Progress | None = None) -> list[NearMiss]:
    """For every criterion whom it alone keeps out, the most first; those that keep nobody out are left out.

    `progress(done, total)` is called while criteria are looked at; what it raises stops the work.
    """
    root = evaluation.audience.root
    leaves = {path: node for path, node in evaluation.audience.nodes() if not isinstance(node, And | Or | Not)}
    kept_out: dict[str, list[_KeptOut]] = {path: [] for path in leaves}
    steps = Steps(progress, len(leaves) * evaluation.part_count)
    for scope, _ in evaluation.parts(steps):
        for path, node in leaves.items():
            steps.here()
            kept_out[path].append(_kept_out(scope, root, path, node, closest))
            steps.next()
    found = [_near_miss(path, leaves[path].sentence, shards, closest) for path, shards in kept_out.items()]
    return sorted((each for each in found if each.size), key=lambda each: -each.size)


def near_misses_frame(found: list[NearMiss]) -> pl.DataFrame:
    """A row a criterion: `path`, `sentence`, `size`, `gap`, `unit`, `instead`."""
    rows = [(each.path, each.sentence, each.size, each.gap, each.unit, instead_words(each)) for each in found]
    return pl.DataFrame(rows, schema=FRAME, orient="row")


def instead_words(missed: NearMiss) -> str:
    """ "within 1 day of that time: 312 · never: 40"."""
    return " · ".join(f"{words}: {count:,}" for words, count in missed.instead)


@dataclass(frozen=True)
class _KeptOut:
    """Whom a criterion keeps out of one shard. `gaps`: one a profile, NaN where it cannot be said; `closest` with the
    (gap, hash) by which they are in order. `instead`: what they did, nearest first; `values`: what they are."""

    excluded: bool
    gaps: npt.NDArray[np.float64]
    unit: str | None
    whole: bool
    closest: list[tuple[tuple[float, int], Close]]
    instead: Counter[str]
    values: Counter[str]


def _kept_out(scope: Scope, root: Criterion, path: str, node: Criterion, closest: int) -> _KeptOut:
    holds = scope.judge(node)
    everybody, nobody = (scope.judge(replaced(root, path, other)) for other in (And.of(), Or.of()))
    missing = ~scope.judge(root) & np.where(holds, nobody, everybody)
    profiles = np.flatnonzero(missing)
    # A criterion can keep out by holding for some and by not holding for others: not at once, where it stands once.
    excluded = bool(len(profiles)) and bool(holds[profiles[0]])
    gap = node.gap(scope, not excluded) if len(profiles) else None
    gaps = np.full(len(profiles), np.nan) if gap is None else gap.values[profiles]
    far = np.where(np.isnan(gaps), np.inf, gaps)
    hashes = scope.snapshot.hash[profiles]
    order = np.lexsort((hashes, far))[:closest]
    nearest = [
        ((float(far[at]), int(hashes[at])), _close(scope, node, int(profiles[at]), float(gaps[at]))) for at in order
    ]
    did = Counter[str]() if excluded else _did(scope, node, missing)
    values = _values(scope, node, missing) if gap is None and not excluded else Counter[str]()
    whole = gap is not None and gap.whole
    return _KeptOut(excluded, gaps, gap.unit if gap else None, whole, nearest, did, values)


def _did(scope: Scope, node: Criterion, missing: Mask) -> Counter[str]:
    """How many satisfy what asks for less than a criterion, each for the nearest."""
    left, found = missing.copy(), Counter[str]()
    for words, weaker in node.weaker(scope.now_ms):
        met = left & scope.judge(weaker)
        found[words] = int(np.count_nonzero(met))
        left &= ~met
    return found


def _values(scope: Scope, node: Criterion, missing: Mask) -> Counter[str]:
    """What the values are that a criterion does not accept, where they have no distance."""
    measure = scope.measure(node)
    if not isinstance(measure, Values):
        return Counter()
    held = measure.texts().filter(pl.Series(missing)).rename("value").value_counts()
    return Counter({node.value_said(value): int(count) for value, count in held.iter_rows()})


def _near_miss(path: str, sentence: str, shards: list[_KeptOut], closest: int) -> NearMiss:
    gaps = np.concatenate([each.gaps for each in shards])
    known = gaps[~np.isnan(gaps)]
    steps = np.unique(known if any(each.whole for each in shards) else known[:0], return_counts=True)
    nearest = sorted((each for shard in shards for each in shard.closest), key=lambda each: each[0])
    return NearMiss(
        path,
        sentence,
        len(gaps),
        any(each.excluded for each in shards),
        float(np.median(known)) if len(known) else None,
        next((each.unit for each in shards if each.unit is not None), None) if len(known) else None,
        tuple((float(step), int(count)) for step, count in zip(steps[0], steps[1], strict=True)),
        _instead(shards),
        tuple(close for _, close in nearest[:closest]),
    )


def _instead(shards: list[_KeptOut]) -> tuple[tuple[str, int], ...]:
    did = sum((each.instead for each in shards), Counter[str]())
    values = sum((each.values for each in shards), Counter[str]())
    told = [(words, did[words]) for words in dict.fromkeys(words for each in shards for words in each.instead)]
    most = sorted(values.items(), key=lambda each: (-each[1], each[0]))[:MOST_VALUES]
    return tuple((words, count) for words, count in (*told, *most) if count)


def _close(scope: Scope, node: Criterion, profile: int, gap: float) -> Close:
    evidence = node.evidence(scope, profile)
    value = evidence.value if evidence is not None and not evidence.identifying else None
    return Close(int(scope.snapshot.mpid[profile]), value, None if np.isnan(gap) else gap)
