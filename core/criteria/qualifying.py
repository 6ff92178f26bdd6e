"""Which events qualify: the rows that satisfy all of an `event` but frequency and aggregate, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.criteria.aggregates import Gathered, Piece
from core.criteria.comparison import Predicate, ProductRef, Ref, all_of, predicates
from core.criteria.evidence import LATEST, Happening, dated
from core.criteria.windows import EVER, Bounds
from core.data.columns import EventStore
from core.data.events import Events, Index, Rows, Spans, counted
from core.data.values import Column, Mask

if TYPE_CHECKING:
    from core.criteria.events import Event
    from core.scope import Inputs, Scope

SESSION_DURATION = ("field", "session_duration_ms")
"""It comes from other events, the ends of sessions."""


def qualifying(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> list[Rows]:
    """The events that satisfy everything but frequency and aggregate, within `bounds` too."""
    return list(_in_spans(event, scope, inputs, scope.spans(_both(event, scope, bounds), without_lookback)))


def how_many(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> npt.NDArray[np.signedinteger[Any]]:
    """How many events qualify, a whole number a profile."""

    def count(spans: Spans) -> npt.NDArray[Any]:
        return counted(_in_spans(event, scope, inputs, spans), scope.size)

    spans = scope.spans(_both(event, scope, bounds), without_lookback)
    moving = (each.matcher.READS == "date" or each.ref == SESSION_DURATION for each in predicates(event.where))
    if any(moving) or any(each.matcher.READS == "date" for each in predicates(event.where_product)):
        return count(spans)  # what qualifies depends on now
    shape = event.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate", "when"})
    return scope.tally((shape, inputs), spans, count)


def _both(event: Event, scope: Scope, bounds: Bounds) -> Bounds:
    first_ms, last_ms = event.when.bounds(scope.now_ms) if event.when else (-EVER, EVER)
    return max(first_ms, bounds[0]), min(last_ms, bounds[1])


def _in_spans(event: Event, scope: Scope, inputs: Inputs, spans: Spans) -> Iterator[Rows]:
    for rows in scope.rows(event.kind, event.name, event.custom_type, inputs, spans):
        if not event.where and not event.where_product:
            yield rows
        else:
            narrowed = (_narrow(store, mine, event, scope) for store, mine in rows.by_store())
            yield from (mine for mine in narrowed if len(mine))


def _narrow(store: EventStore, rows: Rows, event: Event, scope: Scope) -> Rows:
    if event.where:

        def leaf(predicate: Predicate) -> Mask:
            column = scope.event_column(store, *predicate.ref)
            return _verdict(predicate, rows.picked(column.codes, _table(predicate, column, scope), store.start))

        rows = rows.where(all_of(event.where, leaf, rows.size))
    if event.where_product:
        hit = np.zeros(store.size, np.bool_)
        hit[store.products.owner[product_rows(event, store, rows, scope)]] = True
        rows = rows.where(Rows(rows.events, rows.first, rows.last).take(hit, store.start))
    return rows


def _table(predicate: Predicate, column: Column, scope: Scope) -> Mask:
    return scope.positive(predicate.matcher, column.dictionary)


def _verdict(predicate: Predicate, positive: Mask) -> Mask:
    return ~positive if predicate.matcher.operator.negated else positive


def product_rows(event: Event, store: EventStore, rows: Rows, scope: Scope) -> Index:
    """The products (row numbers in the store's products) of some events that satisfy `where_product`."""
    products = store.products
    wanted = np.zeros(store.size, np.bool_)
    wanted[rows.index() - store.start] = True
    found = np.flatnonzero(wanted[products.owner])

    def leaf(predicate: Predicate) -> Mask:
        column = products.column(*predicate.ref)
        return _verdict(predicate, _table(predicate, column, scope)[column.codes[found]])

    return found[all_of(event.where_product, leaf, len(found))]


def latest(rows: list[Rows]) -> tuple[Happening, ...]:
    """The latest few of some events."""
    newest = sorted(
        ((at, int(part.events.arrival[row]), row, part.events) for part in rows for at, row in _newest(part)),
        key=lambda each: each[:2],
        reverse=True,
    )
    return tuple(_happening(events, row, at) for at, _, row, events in newest[:LATEST])


def _newest(rows: Rows) -> list[tuple[int, int]]:
    times, index = rows.times(), rows.index()
    order = np.lexsort((rows.events.arrival[index], times))[-LATEST:]
    return [(int(times[at]), int(index[at])) for at in order]


def _happening(events: Events, row: int, at_ms: int) -> Happening:
    names, codes = events.inputs
    group = events.group_of(row)
    return Happening(dated(at_ms), group.workspace, names[int(codes[row])], group.kind, group.name)


def gather(event: Event, of: Ref, rows: list[Rows], scope: Scope) -> Gathered:
    """The values of a property of qualifying events, or of their products that satisfy `where_product`."""
    pieces = []
    for part in rows:
        for store, mine in part.by_store():
            if isinstance(of, ProductRef):
                found = product_rows(event, store, mine, scope)
                index, column = store.products.owner[found] + store.start, store.products.column(*of.ref)
                pieces.append(Piece(part.events, index, part.events.profile[index], column.take(found)))
            else:
                column = scope.event_column(store, *of.ref)
                taken = Column(mine.take(column.codes, store.start), column.dictionary)
                pieces.append(Piece(part.events, mine, mine.take(part.events.profile), taken))
    return Gathered(scope.size, pieces)
