"""Doing calculations: claimed assignments against a dataset, results into the registry. The worker and the command
line both calculate here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from core.audience import Audience
from core.dataset import Dataset
from core.errors import CoreError, LeaseLost
from core.estimate import Estimate
from core.registry.calculations import Assignment, Calculations
from core.registry.values import Calculation

Clock = Callable[[], datetime]

TOLD_EVERY: Final = timedelta(seconds=0.3)
"""How often the progress of a calculation is told at most."""

FAILURES: Final = (CoreError, pl.exceptions.PolarsError, OSError, MemoryError)
"""What makes one calculation fail and is told as its reason; anything else is a mistake in the program."""


def calculate(
    calculations: Calculations,
    dataset: Dataset,
    assignments: Sequence[Assignment],
    *,
    worker: str,
    clock: Clock,
    going: Callable[[], bool] = lambda: True,
) -> list[Calculation]:
    """Evaluate assignments and keep their results; those that are done. Audiences with one scope share their criteria.

    Where an assignment names no moment it is the clock's, by the as-of rule, the same for all. Once `going()` is False
    the rest is given back. A failure closes its own calculation only.
    """
    moment, done = dataset.as_of(clock()), []
    for each in sorted(assignments, key=_scope):
        try:
            done.append(_finished(calculations, dataset, each, each.now or moment, worker, clock, going))
        except _Stopped:
            calculations.give_back(each, worker, clock())
        except LeaseLost:
            continue  # deleted, cancelled or taken over: whoever did that has said so
        except FAILURES as error:
            calculations.fail(each, worker, clock(), str(error) or type(error).__name__)
    return done


class _Stopped(Exception):
    """The worker ends, or somebody has cancelled the calculation."""


def _finished(
    calculations: Calculations,
    dataset: Dataset,
    each: Assignment,
    now: datetime,
    worker: str,
    clock: Clock,
    going: Callable[[], bool],
) -> Calculation:
    """Evaluate one, tell how far that is, and keep the result."""
    told = clock()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if not going():
            raise _Stopped
        if clock() - told >= TOLD_EVERY:
            told = clock()
            if not calculations.jobs.progress(each.id, worker, done, total):
                raise _Stopped

    progress(0, 1)
    result = dataset.evaluate(each.definition, now=now, audiences=each.named, progress=progress)
    return calculations.finish(
        each,
        worker,
        clock(),
        now=now,
        dataset_version=dataset.version,
        members=result.members["mpid"].to_numpy(),
        universe=result.universe,
    )


def estimate(calculations: Calculations, dataset: Dataset, *, clock: Clock) -> int:
    """Estimate every audience that has never been calculated, once a version and dataset; how many there were."""
    waiting = calculations.unestimated(dataset.version)
    for each in waiting:
        now = dataset.as_of(clock())
        try:
            found = dataset.estimate(each.definition, now=now, audiences=each.named)
        except CoreError as error:
            found = Estimate(None, None, None, 0, "error", str(error))
        calculations.keep_estimate(each, found, dataset.version)
    return len(waiting)


def _scope(assignment: Assignment) -> tuple[str, ...]:
    """What audiences must have in common to share what they read."""
    audience: Audience = assignment.definition
    return (str(assignment.now), *audience.workspaces, str(audience.inputs), str(audience.lookback_days))
