"""Which events qualify: the rows that satisfy all of an `event` but frequency and aggregate, and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from core.criteria.aggregates import FUNCTIONS, Gathered, Piece, averaged, decimals_of, one_limb, summed
from core.criteria.evidence import LATEST, Happening, dated
from core.criteria.measures import Moments
from core.criteria.predicates import Predicate, ProductRef, Ref, all_of, predicates
from core.criteria.windows import EVER, Bounds
from core.data import kernels, per_profile
from core.data.columns import EventStore, Products
from core.data.events import Events, Index, Rows, Spans
from core.data.recaps import Add, Told
from core.data.values import Column, Mask
from core.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from core.criteria.events import Event
    from core.criteria.matchers import Matcher
    from core.criteria.measures import Measure
    from core.scope import Inputs, Scope

_MANY: Final = 5_000_000
"""So many values of all segments are put together; of more, most are likely to differ."""

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
    if told := _told(event, scope, inputs, bounds, without_lookback):
        counts = [each.counted(scope.size) for each in told]
        return counts[0] if len(counts) == 1 else np.add.reduce(counts, dtype=np.int64)

    def count(spans: Spans) -> npt.NDArray[Any]:
        return per_profile.counted(_in_spans(event, scope, inputs, spans), scope.size)

    spans = scope.spans(_both(event, scope, bounds), without_lookback)
    return count(spans) if _moves(event) else scope.tally((_shape(event), inputs), spans, count)


def whether(event: Event, scope: Scope, inputs: Inputs) -> Mask | None:
    """Who has an event that qualifies: bool, one a profile; None where that takes as long as counting them."""
    told = _told(event, scope, inputs, (-EVER, EVER), without_lookback=False)
    return np.logical_or.reduce([each.some(scope.size) for each in told]) if told else None


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
    return Moments(moments, moments >= told[0].first_ms)


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

    def added(what: str, add: Add) -> Index:
        if len(told) == 1 and told[0].recap is not None:
            sums = scope.snapshot.sums(told[0].recap, f"{of.canonical}/{what}", add)
            return sums.between(told[0], scope.size, add)
        return scope.tally((_shape(event), inputs, of, what), spans, add)

    sums = summed((added(str(decimals), lambda some: values(some).added(decimals)),), decimals)
    return sums if function == "sum" else averaged(sums, added("numbers", lambda some: values(some).numbers()))


def _shape(event: Event) -> str:
    """What qualifies, time aside."""
    return event.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate", "when"})


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
    what = event.kind, event.name, event.custom_type, inputs, spans
    if not event.where and not event.where_product:
        yield from scope.rows(*what)
        return
    on_events = Verdicts(event, scope, lambda store, ref: scope.event_column(store, *ref))
    found = [each for rows in scope.rows(*what, names=on_events.names) for each in rows.by_store()]
    on_events.stores = [store for store, _ in found]
    on_products = _on_products(event, scope, on_events.stores)
    for store, rows in found:
        mine = rows
        if entries := [entry for entry in event.where if not on_events.settled(entry, store)]:
            mine = mine.where(on_events.of_events(entries, store, mine))
        if event.where_product:
            holds = on_products.of_products(event.where_product, store, mine)
            mine = mine.where(store.products.some(holds, (mine.starts, mine.stops)))
        yield mine


class Verdicts:
    """What the predicates of an event say about the columns of some stores, each distinct value being judged once."""

    def __init__(
        self, event: Event, scope: Scope, column: Callable[[EventStore, tuple[str, str]], Column], owner: str = "event"
    ) -> None:
        """`column(store, ref)`: a property of the `owner`, the events of a store or their products."""
        self._event, self._scope, self._column, self._owner = event, scope, column, owner
        self.stores: list[EventStore] = []
        self._vocabularies: dict[tuple[str, str], Vocabulary | None] = {}
        self._tables: dict[tuple[tuple[str, str], Matcher, EventStore], Mask] = {}

    def table(self, predicate: Predicate, store: EventStore) -> Mask:
        """Which codes of a store's column satisfy a predicate."""
        ref, matcher = predicate.ref, predicate.matcher
        if (known := self._tables.get((ref, matcher, store))) is not None:
            return known
        dictionary = self._column(store, ref).dictionary
        vocabulary = self._vocabulary(ref)
        if vocabulary is None:
            positive = self._scope.positive(matcher, dictionary)
        else:
            positive = vocabulary.seen_from(dictionary, self._scope.positive(matcher, vocabulary.of([dictionary])))
        table = self._tables[ref, matcher, store] = ~positive if matcher.operator.negated else positive
        return table

    def _vocabulary(self, ref: tuple[str, str]) -> Vocabulary | None:
        """What the stores hold of a property; None where that is too much to put together."""
        if self.stores and ref not in self._vocabularies:
            dictionaries = [self._column(each, ref).dictionary for each in self.stores]
            self._vocabularies[ref] = None
            if sum(len(each.entries) for each in dictionaries) <= _MANY:
                known = self._vocabularies[ref] = self._known(ref)
                known.of(dictionaries)
        return self._vocabularies[ref] if ref in self._vocabularies else self._known(ref)

    def _known(self, ref: tuple[str, str]) -> Vocabulary:
        return self._scope.snapshot.vocabulary(self._event.kind, self._event.name, self._owner, *ref)

    def names(self, store: EventStore) -> Mask | None:
        """Which names of a store may qualify, by what is the same for all events of a name; None: all may."""
        masks = []
        for entry in self._event.where:
            if isinstance(entry, Predicate) and (codes := store.by_name(*entry.ref)) is not None:
                masks.append(self.table(entry, store)[codes])
        return np.logical_and.reduce(masks) if masks else None

    def settled(self, entry: Any, store: EventStore) -> bool:
        """Whether `names` has judged an entry of `where`."""
        return isinstance(entry, Predicate) and store.by_name(*entry.ref) is not None

    def of_events(self, entries: Sequence[Any], store: EventStore, rows: Rows) -> Mask:
        """On which events of ranges every entry holds."""

        def leaf(predicate: Predicate) -> Mask:
            codes = self._column(store, predicate.ref).codes
            return rows.picked(codes, self.table(predicate, store), store.start)

        return all_of(entries, leaf, rows.size)

    def of_products(self, entries: Sequence[Any], store: EventStore, rows: Rows) -> Mask:
        """For which products of the events of ranges every entry holds."""
        starts, stops = store.products.places(rows.starts), store.products.places(rows.stops)

        def leaf(predicate: Predicate) -> Mask:
            codes = self._column(store, predicate.ref).codes
            return kernels.pick(codes, starts, stops, self.table(predicate, store))

        return all_of(entries, leaf, int((stops - starts).sum()))


def _on_products(event: Event, scope: Scope, stores: list[EventStore]) -> Verdicts:
    verdicts = Verdicts(event, scope, lambda store, ref: store.products.column(*ref), "product")
    verdicts.stores = stores
    return verdicts


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
    on_products = _on_products(event, scope, [store for store, _ in found])
    pieces = []
    for store, mine in found:
        frame: EventStore | Products = store
        keep = mine.keep
        if isinstance(of, ProductRef):
            frame, keep = store.products, store.products.kept(mine.keep, (mine.starts, mine.stops))
            if event.where_product:
                wanted = on_products.of_products(event.where_product, store, mine)
                keep = keep & wanted if len(keep) else wanted
        pieces.append(Piece(frame, mine, _column_of(of, store, scope), keep))
    return Gathered(scope.size, pieces, scope.snapshot.vocabulary(event.kind, event.name, owner, *of.ref))
