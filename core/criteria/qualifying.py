"""Which events qualify: the rows that satisfy all of an `event` but frequency and aggregate, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.criteria.aggregates import FUNCTIONS, Gathered, Piece, averaged, decimals_of, one_limb, summed
from core.criteria.evidence import LATEST, Happening, dated
from core.criteria.measures import Moments
from core.criteria.predicates import ProductRef, Ref, predicates
from core.criteria.verdicts import SESSION_DURATION, Conditions
from core.criteria.windows import EVER, Bounds
from core.data import kernels, per_profile
from core.data.coded import Column
from core.data.columns import EventStore, Products
from core.data.events import Events, Rows, Spans
from core.data.recaps import Add, Counts, Told
from core.data.values import Mask

if TYPE_CHECKING:
    from core.criteria.events import Event
    from core.criteria.measures import Measure
    from core.scope import Inputs, Scope


def qualifying(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> list[Rows]:
    """The events that satisfy everything but frequency and aggregate, within `bounds` too."""
    return list(_in_spans(event, scope, inputs, scope.spans(_both(event, scope, bounds), without_lookback)))


def how_many(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> npt.NDArray[np.signedinteger[Any]]:
    """How many events qualify, a whole number a profile."""
    if told := _told(event, scope, inputs, bounds, without_lookback):
        counts = [each.counted(scope.size) for each in told]
        return counts[0] if len(counts) == 1 else np.add.reduce(counts, dtype=np.int64)

    def count(spans: Spans) -> npt.NDArray[Any]:
        return kernels.count(_parts(event, scope, inputs, spans), scope.size)

    spans = scope.spans(_both(event, scope, bounds), without_lookback)
    return count(spans) if _moves(event) else scope.tally((event.qualifies, inputs), spans, count)


def whether(event: Event, scope: Scope, inputs: Inputs) -> Mask | None:
    """Who has an event that qualifies: bool, one a profile; None where that takes as long as counting them."""
    told = _told(event, scope, inputs, (-EVER, EVER), without_lookback=False)
    return reduce(np.logical_or, (each.some(scope.size) for each in told)) if told else None


def newest(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> Moments:
    """The moment of each profile's newest event that qualifies."""
    told = _told(event, scope, inputs, bounds, without_lookback)
    found = [moments for each in told if (moments := each.newest(scope.size)) is not None]
    if not found or len(found) < len(told):
        rows = qualifying(event, scope, inputs, bounds, without_lookback)
        return Moments(per_profile.latest(rows, scope.size))
    moments = np.maximum.reduce(found) if len(found) > 1 else found[0]
    return Moments(moments, told[0].first_ms)


def _told(event: Event, scope: Scope, inputs: Inputs, bounds: Bounds, without_lookback: bool) -> list[Told]:
    """What recaps tell of the events that qualify; nothing where more than name, inputs and time is asked of them."""
    if event.where or event.where_product or event.custom_type is not None:
        return []
    return scope.told(event.kind, event.name, inputs, _both(event, scope, bounds), without_lookback)


def aggregated(
    function: str,
    event: Event,
    of: Ref,
    scope: Scope,
    inputs: Inputs,
    bounds: Bounds = (-EVER, EVER),
    without_lookback: bool = False,
) -> Measure:
    """An aggregate function (`aggregates.FUNCTIONS`) of a property of the events that qualify."""
    spans = scope.spans(_both(event, scope, bounds), without_lookback)

    def values(some: Spans) -> Gathered:
        return gather(event, of, list(_in_spans(event, scope, inputs, some)), scope)

    if function not in ("sum", "average") or _moves(event) or of.ref == SESSION_DURATION:
        return FUNCTIONS[function](values(spans))
    told = _told(event, scope, inputs, bounds, without_lookback)
    among = scope.snapshot.segments if told else spans
    columns = [_column_of(of, store, scope) for store in scope.stores(event.kind, event.name, among)]
    dictionaries = [column.dictionary for column in columns]
    if not one_limb(dictionaries, sum(len(column.codes) for column in columns)):
        return FUNCTIONS[function](values(spans))
    decimals = decimals_of(dictionaries)

    def added(what: str, add: Add) -> Counts:
        if len(told) == 1 and told[0].recap is not None:
            sums = scope.snapshot.sums(told[0].recap, f"{of.canonical}/{what}", add)
            return sums.between(told[0], scope.size, add)
        return scope.tally(
            (event.qualifies, inputs, of, what), spans, lambda some: add(some).astype(np.int64, copy=False)
        )

    sums = summed((added(str(decimals), lambda some: values(some).added(decimals)),), decimals)
    return sums if function == "sum" else averaged(sums, added("numbers", lambda some: values(some).numbers()))


def _moves(event: Event) -> bool:
    """Whether it depends on now which events qualify."""
    return any(
        each.matcher.READS == "date" or each.ref == SESSION_DURATION
        for each in (*predicates(event.where), *predicates(event.where_product))
    )


def _column_of(of: Ref, store: EventStore, scope: Scope) -> Column:
    return store.products.column(*of.ref) if isinstance(of, ProductRef) else scope.event_column(store, *of.ref)


def _both(event: Event, scope: Scope, bounds: Bounds) -> Bounds:
    first_ms, last_ms = event.when.bounds(scope.now_ms) if event.when else (-EVER, EVER)
    return max(first_ms, bounds[0]), min(last_ms, bounds[1])


def _in_spans(event: Event, scope: Scope, inputs: Inputs, spans: Spans) -> Iterator[Rows]:
    conditions = Conditions(event, scope)
    for store, rows in _asked(event, scope, inputs, spans, conditions):
        yield rows if store is None else conditions.of(store, rows)


def _parts(event: Event, scope: Scope, inputs: Inputs, spans: Spans) -> Iterator[kernels.Part]:
    """Whose the rows are that satisfy everything, as kernels count them."""
    conditions = Conditions(event, scope)
    for store, rows in _asked(event, scope, inputs, spans, conditions):
        yield rows.counted if store is None else conditions.counted(store, rows)


def _asked(
    event: Event, scope: Scope, inputs: Inputs, spans: Spans, conditions: Conditions
) -> Iterator[tuple[EventStore | None, Rows]]:
    """The rows that satisfy everything but conditions on properties, and the store where these are read; None where
    there are no conditions."""
    names = None if conditions.none else conditions.names
    rows = scope.rows(event.kind, event.name, event.custom_type, inputs, spans, names)
    if conditions.none:
        yield from ((None, each) for each in rows)
        return
    found = [each for some in rows for each in some.by_store()]
    conditions.look_at([store for store, _ in found])
    yield from found


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
    found = [each for part in rows for each in part.by_store()]
    owner = "product" if isinstance(of, ProductRef) else "event"
    conditions = Conditions(event, scope)
    conditions.look_at([store for store, _ in found])
    pieces = []
    for store, mine in found:
        frame: EventStore | Products = store
        keep = mine.keep
        if isinstance(of, ProductRef):
            frame, keep = store.products, store.products.kept(mine.keep, (mine.starts, mine.stops))
            if event.where_product:
                wanted = conditions.of_products(store, mine)
                keep = keep & wanted if len(keep) else wanted
        pieces.append(Piece(frame, mine, _column_of(of, store, scope), keep))
    dictionaries = [piece.column.dictionary for piece in pieces]
    vocabulary = scope.snapshot.vocabulary(event.kind, event.name, owner, *of.ref, among=dictionaries)
    return Gathered(scope.size, pieces, vocabulary)
