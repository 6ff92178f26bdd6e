"""Doubts: what about a criterion's own data makes it probable that it says something else than was meant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from core.criteria.evidence import moment_words
from core.data.coded import FIRST

if TYPE_CHECKING:
    from core.criteria.windows import Window
    from core.data.events import Rows
    from core.scope import Scope

MONEY: Final = frozenset({"total_amount", "tax_amount", "shipping_amount", "price", "total_product_amount"})
"""Standard fields that are amounts of the event's currency."""

ADDED: Final = frozenset({"sum", "average", "minimum", "maximum"})
"""Calculations that amounts of several currencies spoil."""

DAY_MS: Final = 86_400_000
EVER: Final = 1 << 62
EXPECTED: Final = 10
"""So many events would have come at the usual rate, had they not stopped."""


class Doubt(ABC):
    """A doubt that the profiles of one shard raise; with those of the others it is said, or is none."""

    @abstractmethod
    def joined(self, other: Self) -> Self:
        """With what the same doubt found in another shard."""

    @property
    @abstractmethod
    def said(self) -> str | None:
        """A sentence; None where there is nothing to doubt."""


@dataclass(frozen=True)
class Outside(Doubt):
    """A window in which nothing that counts can lie."""

    what: str | None
    """What is wrong with it."""

    @classmethod
    def of(cls, when: Window | None, scope: Scope) -> Outside:
        """What a window leaves of what the scope may see."""
        if when is not None:
            first, last = when.bounds(scope.now_ms)
            if first > scope.now_ms:
                return cls(f"The window {when.sentence} has not begun.")
            if last < scope.floor_ms:
                return cls(f"The window {when.sentence} ends before the event data range begins.")
        return cls(None)

    def joined(self, other: Self) -> Self:
        return self

    @property
    def said(self) -> str | None:
        return self.what


@dataclass(frozen=True)
class Stopped(Doubt):
    """Events that came steadily and then no more: at their usual rate ten would have come since the last one."""

    what: str
    count: int
    first_ms: int
    last_ms: int
    end_ms: int
    """Up to when more could have come."""

    @classmethod
    def of(cls, rows: list[Rows], scope: Scope, what: str) -> Stopped:
        """When `what` came."""
        times = [part.times() for part in rows]
        first = min((int(each.min()) for each in times), default=EVER)
        last = max((int(each.max()) for each in times), default=-EVER)
        end = scope.snapshot.end_ms
        end_ms = -EVER if end is None else min(scope.now_ms, end)
        return cls(what, sum(len(each) for each in times), first, last, end_ms)

    def joined(self, other: Self) -> Self:
        return replace(
            self,
            count=self.count + other.count,
            first_ms=min(self.first_ms, other.first_ms),
            last_ms=max(self.last_ms, other.last_ms),
            end_ms=max(self.end_ms, other.end_ms),
        )

    @property
    def said(self) -> str | None:
        """When the last one came, if more were to be expected."""
        if not self.count:
            return None
        silence, span = self.end_ms - self.last_ms, max(self.last_ms - self.first_ms, 1)
        if silence < DAY_MS or self.count * silence / span < EXPECTED:
            return None
        return (
            f"{self.what[:1].upper()}{self.what[1:]} stopped arriving: the last came on {moment_words(self.last_ms)}."
        )


@dataclass(frozen=True)
class Currencies(Doubt):
    """Several currencies among events whose amounts are added up or compared."""

    found: Counter[str]

    @classmethod
    def of(cls, rows: list[Rows], scope: Scope) -> Currencies:
        """The currencies of some events."""
        found: Counter[str] = Counter()
        for part in rows:
            for store, mine in part.by_store():
                column = scope.event_column(store, "field", "currency_code")
                codes = mine.take(column.codes, store.start)
                counts = np.bincount(codes, minlength=len(column.dictionary))[FIRST:]
                found.update(dict(zip(column.dictionary.texts.to_list(), counts.tolist(), strict=True)))
        return cls(+found)

    def joined(self, other: Self) -> Self:
        return replace(self, found=self.found + other.found)

    @property
    def said(self) -> str | None:
        """Which they are, if there are several."""
        if len(self.found) < 2:
            return None
        known = sorted(self.found.items(), key=lambda each: (-each[1], each[0]))[:4]
        shares = ", ".join(f"{code} {100 * count / self.found.total():.0f} %" for code, count in known)
        return f"The amounts are of several currencies ({shares}), and are added up as if they were one."
