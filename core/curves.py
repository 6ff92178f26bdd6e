"""Threshold curves: the audience's size against a number of one of its criteria, everything else as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from core.criteria import And, Or
from core.criteria.base import replaced
from core.errors import CoreError
from core.scope import Steps

if TYPE_CHECKING:
    from core.criteria import Criterion
    from core.criteria.dials import Dial
    from core.data.values import Mask
    from core.evaluate import Evaluation
    from core.scope import Scope

POINTS: Final = 14
LENGTHS: Final = (1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 500, 730, 1000, 1500, 2000, 3000)
"""Lengths of time worth a look, in any unit."""

AROUND: Final = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
"""Multiples of the present setting that are worth a look."""

FRAME: Final = pl.Schema({"setting": pl.Float64(), "size": pl.Int64(), "change": pl.Int64(), "current": pl.Boolean()})
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Point:
    """The audience's size with the number set so."""

    setting: float
    size: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Sizes at ascending settings; `dial.setting` is among them, with the audience's own size."""

    path: str
    dial: Dial
    points: tuple[Point, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """`setting`, `size`, `change` against the present setting, `current`."""
        here = next(point.size for point in self.points if point.setting == self.dial.setting)
        rows = [
            (point.setting, point.size, point.size - here, point.setting == self.dial.setting) for point in self.points
        ]
        return pl.DataFrame(rows, schema=FRAME, orient="row")


def dials(evaluation: Evaluation, path: str) -> tuple[Dial, ...]:
    """The numbers that can be turned at the node of a path; CoreError where there is no such node."""
    return tuple(evaluation.node(path).dials())


def curve(evaluation: Evaluation, path: str, key: str, progress: Progress | None = None) -> Curve:
    """The size of the whole audience at sensible settings of one number; CoreError where the node has no such number.

    Every point is exact: the criterion is judged with that setting, its measure used again where it can be.
    `progress(done, total)` is called before and after every judgement and while events are read; what it raises stops
    the work.
    """
    node = evaluation.node(path)
    dial = next((each for each in node.dials() if each.key == key), None)
    if dial is None:
        known = ", ".join(each.key for each in node.dials()) or "none"
        raise CoreError(f"The criterion has no number {key!r}.", f"Its numbers: {known}.")
    settings = _settings(evaluation, node, dial, progress)
    turned: dict[float, Criterion] = {}
    for setting in settings:
        with suppress(ValidationError):  # a low above its high: no setting
            turned[setting] = node.turned(key, setting)
    steps = Steps(progress, len(turned) * evaluation.part_count)
    sizes = dict.fromkeys(turned, 0)
    for scope, _ in evaluation.parts(steps):
        inside, outside = _either_way(scope, evaluation.audience.root, path)
        for setting, criterion in turned.items():
            steps.here()
            holds = criterion.judge(scope) & scope.universe
            sizes[setting] += int(np.count_nonzero((inside & holds) | (outside & ~holds)))
            steps.next()
    points = [Point(setting, size) for setting, size in sizes.items()]
    return Curve(path, dial, tuple(_without_flat_end(points, dial.setting)))


def _without_flat_end(points: list[Point], setting: float) -> list[Point]:
    """Points up to the first of a last few that are all alike: longer than the data reaches, nothing changes."""
    while len(points) > 2 and points[-1].size == points[-2].size and setting < points[-2].setting:
        points = points[:-1]
    return points


def _either_way(scope: Scope, root: Criterion, path: str) -> tuple[Mask, Mask]:
    """Who is a member if the node holds for them, and who is if it does not: with both, any answer of it can be put in
    (Shannon's expansion of the tree)."""
    return scope.judge(replaced(root, path, And.of())), scope.judge(replaced(root, path, Or.of()))


# --- settings worth a look ---------------------------------------------------------------------------------------


def _settings(evaluation: Evaluation, node: Criterion, dial: Dial, progress: Progress | None) -> list[float]:
    """Ascending settings, the present one among them; whole ones stay whole numbers."""
    if dial.measured:
        compared, steps = node.compared_by(dial.key), Steps(progress, evaluation.part_count * POINTS)
        parts = [_measured(scope, compared) for scope, _ in evaluation.parts(steps)]
        there = np.concatenate(parts)
        found = measured_settings(there[np.isfinite(there)] / dial.scale, dial.setting, dial.whole)
    else:
        found = lengths(dial.setting)
    kept = sorted({*_thinned(found, dial.setting), dial.setting})
    return [int(each) if float(each).is_integer() else each for each in kept]


def _measured(scope: Scope, criterion: Criterion) -> npt.NDArray[np.float64]:
    """What a criterion measures of everybody who can be a member, where it measures numbers."""
    numbers = scope.measure(criterion).numbers()
    return np.zeros(0) if numbers is None else numbers[scope.universe]


def lengths(setting: float) -> list[float]:
    """Lengths of time around the present one, up to eight times shorter or longer."""
    return [float(each) for each in LENGTHS if setting / 8 <= each <= max(setting * 8, 7)]


def measured_settings(numbers: npt.NDArray[np.float64], setting: float, whole: bool) -> list[float]:
    """Settings that part the numbers: every small count, and round numbers near the quantiles of the others."""
    if not len(numbers):
        return []
    parting = np.quantile(numbers, np.linspace(0.02, 0.99, 2 * POINTS))
    if whole:
        high = int(np.quantile(numbers, 0.999))
        small = range(min(high, POINTS // 2) + 1)
        return [float(each) for each in {*small, *(round(each) for each in parting), *range(int(setting) + 2)}]
    least, most = float(numbers.min()), float(numbers.max())
    nearby = [setting * factor for factor in AROUND if least <= setting * factor <= most]
    return [rounded(float(each)) for each in (*parting, *nearby)]


def rounded(number: float) -> float:
    """A number with two digits that matter: 1234 is 1200, 0.0567 is 0.057."""
    return float(f"{number:.2g}")


def _thinned(found: Iterable[float], setting: float) -> list[float]:
    """At most `POINTS` of some settings: those nearest to the present one, and the outermost, are kept."""
    every = sorted(set(found))
    if len(every) <= POINTS:
        return every
    near = sorted(every, key=lambda each: abs(each - setting))[: POINTS // 2]
    spread = [every[round(at)] for at in np.linspace(0, len(every) - 1, POINTS - len(near))]
    return sorted({*near, *spread})


def as_document(node: Criterion, key: str, setting: float) -> dict[str, Any]:
    """The document of a criterion with another setting of one of its numbers."""
    return node.turned(key, setting).model_dump(mode="json", by_alias=True, exclude_unset=True)
