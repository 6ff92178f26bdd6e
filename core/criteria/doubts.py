"""Doubts: what about a criterion's own data makes it probable that it says something else than was meant."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from core.criteria.evidence import moment_words
from core.data.values import FIRST

if TYPE_CHECKING:
    from core.criteria.windows import Window
    from core.data.events import Rows
    from core.scope import Scope

MONEY: Final = frozenset({"total_amount", "tax_amount", "shipping_amount", "price", "total_product_amount"})
"""Standard fields that are amounts of the event's currency."""

ADDED: Final = frozenset({"sum", "average", "minimum", "maximum"})
"""Calculations that amounts of several currencies spoil."""

DAY_MS: Final = 86_400_000
EXPECTED: Final = 10
"""So many events would have come at the usual rate, had they not stopped."""


def outside(when: Window, scope: Scope) -> str | None:
    """A window in which nothing that counts can lie."""
    first, last = when.bounds(scope.now_ms)
    if first > scope.now_ms:
        return f"The window {when.sentence} has not begun."
    if last < scope.floor_ms:
        return f"The window {when.sentence} ends before the event data range begins."
    return None


def stopped(rows: list[Rows], scope: Scope, what: str) -> str | None:
    """Events that came steadily and then no more: at their usual rate ten would have come since the last one."""
    times = [part.times() for part in rows]
    if not times:
        return None
    first, last = min(int(each.min()) for each in times), max(int(each.max()) for each in times)
    end = scope.now_ms if scope.snapshot.end_ms is None else min(scope.now_ms, scope.snapshot.end_ms)
    silence, span, count = end - last, max(last - first, 1), sum(len(each) for each in times)
    if silence < DAY_MS or count * silence / span < EXPECTED:
        return None
    return f"{what[:1].upper()}{what[1:]} stopped arriving: the last came on {moment_words(last)}."


def currencies(rows: list[Rows], scope: Scope) -> str | None:
    """Several currencies among events whose amounts are added up or compared."""
    found: Counter[str] = Counter()
    for part in rows:
        for store, mine in part.by_store():
            column = scope.event_column(store, "field", "currency_code")
            counts = np.bincount(mine.take(column.codes, store.start), minlength=len(column.dictionary))[FIRST:]
            found.update(dict(zip(column.dictionary.texts.to_list(), counts.tolist(), strict=True)))
    known = [(code, count) for code, count in found.most_common() if count]
    if len(known) < 2:
        return None
    total = sum(count for _, count in known)
    shares = ", ".join(f"{code} {100 * count / total:.0f} %" for code, count in known[:4])
    return f"The amounts are of several currencies ({shares}), and are added up as if they were one."
