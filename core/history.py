"""The definition as of other moments: what it held on the past days, and how it ages when nothing new arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from core.audience import Audience
from core.data.values import Mask
from core.scope import part_of

if TYPE_CHECKING:
    from core.dataset import Dataset

DAYS: Final = 30
Progress = Callable[[int, int], None]
"""Called with (done, total) before every day and while it is looked at; what it raises stops the work."""

FRAME: Final = pl.Schema(
    {
        "at": pl.Datetime("ms", "UTC"),
        "size": pl.Int64(),
        "universe": pl.Int64(),
        "adds": pl.Int64(),
        "drops": pl.Int64(),
    }
)


@dataclass(frozen=True, slots=True)
class Day:
    """The audience at one moment, and who came (`adds`) and went (`drops`) since 24 hours before."""

    at: datetime
    size: int
    universe: int
    adds: int
    drops: int


@dataclass(frozen=True, slots=True)
class History:
    """One entry a day, ascending, 24 hours apart."""

    days: tuple[Day, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """`at`, `size`, `universe`, `adds`, `drops`, a row a day."""
        rows = [(day.at, day.size, day.universe, day.adds, day.drops) for day in self.days]
        return pl.DataFrame(rows, schema=FRAME, orient="row")


def backtest(
    dataset: Dataset,
    audience: Audience,
    *,
    now: datetime,
    audiences: Mapping[str, Audience] | None = None,
    days: int = DAYS,
    progress: Progress | None = None,
) -> History:
    """What the definition held at `now` and at the days before it: `days` entries, the last one at `now`.

    Each is the evaluation at that moment, on the data as it stood then. Raises DefinitionError.
    """
    moments = [now - timedelta(days=back) for back in range(days, -1, -1)]
    return History(tuple(_days(dataset, audience, moments, audiences or {}, progress)))


def forecast(
    dataset: Dataset,
    audience: Audience,
    *,
    now: datetime,
    audiences: Mapping[str, Audience] | None = None,
    days: int = DAYS,
    progress: Progress | None = None,
) -> History:
    """How the audience ages when nothing new arrives after `now`: `days` evaluations, the first at now + 24 h, each on
    the data as it is known at `now`, also where more has come since.

    Raises DefinitionError.
    """
    moments = [now + timedelta(days=ahead) for ahead in range(days + 1)]
    return History(tuple(_days(dataset.known_until(now), audience, moments, audiences or {}, progress)))


def _days(
    dataset: Dataset,
    audience: Audience,
    moments: list[datetime],
    audiences: Mapping[str, Audience],
    progress: Progress | None,
) -> Iterator[Day]:
    before: Mask | None = None
    aside = dataset.aside()
    for done, at in enumerate(moments):
        step = part_of(progress, done, len(moments))
        result = aside.evaluate(audience, now=at, audiences=audiences, progress=step)
        if before is not None:
            adds, drops = (int(np.count_nonzero(mask)) for mask in (result.mask & ~before, before & ~result.mask))
            yield Day(at, result.size, result.universe, adds, drops)
        before = result.mask
    if progress is not None:
        progress(len(moments), len(moments))
