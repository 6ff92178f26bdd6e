"""What the conditions of an event say about its rows: every distinct value is judged once, rows are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.criteria.predicates import Predicate, all_of, predicates
from core.data import kernels
from core.data.coded import Column, Dictionary
from core.data.columns import EventStore, Products
from core.data.events import Rows
from core.data.postings import posted
from core.data.values import Mask
from core.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from core.criteria.events import Event
    from core.criteria.matchers import Matcher
    from core.scope import Scope

_MANY: Final = 5_000_000
"""So many values of all segments are put together; of more, most are likely to differ."""

SESSION_DURATION: Final = ("field", "session_duration_ms")
"""It comes from other events, the ends of sessions."""


class Verdicts:
    """What predicates say about the columns of some stores: the properties of an event (`owner`) or of its products."""

    def __init__(self, event: Event, scope: Scope, owner: str) -> None:
        self._event, self._scope, self._owner = event, scope, owner
        self.stores: list[EventStore] = []
        self._vocabularies: dict[tuple[str, str], Vocabulary | None] = {}
        self._tables: dict[tuple[tuple[str, str], Matcher, EventStore], Mask] = {}

    def column(self, store: EventStore, ref: tuple[str, str]) -> Column:
        """A property, one row an event or a product."""
        return store.products.column(*ref) if self._owner == "product" else self._scope.event_column(store, *ref)

    def table(self, predicate: Predicate, store: EventStore) -> Mask:
        """Which codes of a store's column satisfy a predicate."""
        ref, matcher = predicate.ref, predicate.matcher
        if (known := self._tables.get((ref, matcher, store))) is not None:
            return known
        dictionary = self.column(store, ref).dictionary
        vocabulary = self._vocabulary(ref, dictionary)
        if vocabulary is None:
            positive = self._scope.positive(matcher, dictionary)
        else:
            positive = vocabulary.seen_from(dictionary, self._scope.positive(matcher, vocabulary.of([dictionary])))
        table = self._tables[ref, matcher, store] = ~positive if matcher.operator.negated else positive
        return table

    def _vocabulary(self, ref: tuple[str, str], asked: Dictionary) -> Vocabulary | None:
        """What the stores hold of a property; None where that is too much to put together."""
        if self.stores and ref not in self._vocabularies:
            dictionaries = [self.column(each, ref).dictionary for each in self.stores]
            self._vocabularies[ref] = None
            if sum(len(each.entries) for each in dictionaries) <= _MANY:
                known = self._vocabularies[ref] = self._known(ref, dictionaries)
                known.of(dictionaries)
        return self._vocabularies[ref] if ref in self._vocabularies else self._known(ref, [asked])

    def _known(self, ref: tuple[str, str], among: list[Dictionary]) -> Vocabulary:
        return self._scope.snapshot.vocabulary(self._event.kind, self._event.name, self._owner, *ref, among=among)


class Conditions:
    """The conditions of an event on its properties (`where`) and on those of its products (`where_product`)."""

    def __init__(self, event: Event, scope: Scope) -> None:
        self.where, self.where_product = event.where, event.where_product
        self._on_events, self._on_products = Verdicts(event, scope, "event"), Verdicts(event, scope, "product")

    @property
    def none(self) -> bool:
        """Whether there are none."""
        return not self.where and not self.where_product

    def look_at(self, stores: list[EventStore]) -> None:
        """The stores whose rows will be asked for: what they hold is judged together."""
        self._on_events.stores = self._on_products.stores = stores

    def names(self, store: EventStore) -> Mask | None:
        """Which names of a store may qualify, by what is the same for all events of a name; None: all may."""
        masks = []
        for entry in self.where:
            if isinstance(entry, Predicate) and (codes := store.by_name(*entry.ref)) is not None:
                masks.append(self._on_events.table(entry, store)[codes])
        return np.logical_and.reduce(masks) if masks else None

    def _open(self, store: EventStore) -> list[Any]:
        """The entries of `where` that `names` has not judged."""
        return [each for each in self.where if not isinstance(each, Predicate) or store.by_name(*each.ref) is None]

    def of(self, store: EventStore, rows: Rows) -> Rows:
        """Those of a store's rows on which every condition holds."""
        if entries := self._open(store):
            rows = rows.where(self._of_events(entries, store, rows))
        if self.where_product:
            rows = rows.where(store.products.some(self.of_products(store, rows), (rows.starts, rows.stops)))
        return rows

    def counted(self, store: EventStore, rows: Rows) -> kernels.Part:
        """Whose they are, as kernels count them."""
        few = self._posted(store, rows)
        return self.of(store, rows).counted if few is None else few

    def _posted(self, store: EventStore, rows: Rows) -> kernels.Part | None:
        """The same by postings; None where they do not tell or pay, as where several properties are asked for."""
        entries, on = tuple(self._open(store)), self._on_events
        of: EventStore | Products = store
        if self.where_product:
            if entries or not store.products.single:
                return None
            entries, on, of = self.where_product, self._on_products, store.products
        refs = {each.ref for each in predicates(entries)}
        if len(refs) != 1 or SESSION_DURATION in refs:
            return None
        (ref,) = refs
        size = len(on.column(store, ref).dictionary)
        return posted(store, of, ref, all_of(entries, lambda each: on.table(each, store).copy(), size), rows)

    def _of_events(self, entries: Sequence[Any], store: EventStore, rows: Rows) -> Mask:
        def leaf(predicate: Predicate) -> Mask:
            codes = self._on_events.column(store, predicate.ref).codes
            return rows.picked(codes, self._on_events.table(predicate, store), store.start)

        return all_of(entries, leaf, rows.size)

    def of_products(self, store: EventStore, rows: Rows) -> Mask:
        """For which products of the events of ranges every condition on products holds."""
        starts, stops = store.products.places(rows.starts), store.products.places(rows.stops)

        def leaf(predicate: Predicate) -> Mask:
            codes = self._on_products.column(store, predicate.ref).codes
            return kernels.pick(codes, starts, stops, self._on_products.table(predicate, store))

        return all_of(self.where_product, leaf, int((stops - starts).sum()))
