"""Sampler: the slice of a dataset (`core.data.sample`) that estimates judge in place of everybody, once it is there."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from core.data.memory import Memories
from core.data.sample import SampleStore, one_in_of
from core.data.snapshot import Snapshot
from core.scope import OF_A_VERSION


class Sampler:
    """The slice of one dataset or shard, from version to version, with keys of its own in the memories of slices."""

    def __init__(self, memories: Memories) -> None:
        """`memories`: those of the dataset or shard."""
        self._store: SampleStore | None = None
        self._of: tuple[int, int] | None = None
        self._snapshot: Snapshot | None = None
        self._take(memories)

    def snapshot(self, whole: Snapshot, profiles: int) -> Snapshot | None:
        """The slice of a version; `profiles`: how many the account has. None where it is not filled or not worth it."""
        store = self._store_of(whole, profiles)
        if store is None:
            return None
        if self._snapshot is None or self._of != (whole.manifest.version, store.one_in):
            manifest = store.opened(whole.manifest)
            if manifest is None:
                return None
            self._snapshot = Snapshot(store, manifest, self._snapshot, memory=self._facts)
            self._of = whole.manifest.version, store.one_in
            self.memory.forget(OF_A_VERSION)
        return self._snapshot

    def fresh(self, memories: Memories) -> Sampler:
        """The same slice with the answers of other memories."""
        other = copy(self)
        other._take(memories)
        return other

    def _take(self, memories: Memories) -> None:
        self._whole = memories.slice_answers, memories.slice_facts
        self._part()

    def _part(self) -> None:
        """What is remembered of slices of another size is not this one's."""
        size = () if self._store is None else (self._store.one_in,)
        self.memory, self._facts = (memory.of(*size) for memory in self._whole)

    def fill(self, whole: Snapshot, profiles: int, going: Callable[[], bool]) -> None:
        """Make the slice of a version and its columns, as long as it is `going`."""
        store = self._store_of(whole, profiles)
        if store is None:
            return
        store.fill(whole.manifest, whole.hash, going)
        filled = self.snapshot(whole, profiles) if going() else None
        if filled is not None:
            filled.prepare(going)

    def _store_of(self, whole: Snapshot, profiles: int) -> SampleStore | None:
        one_in = one_in_of(profiles)
        if one_in is None:
            return None
        if self._store is None or self._store.one_in != one_in:
            self._store, self._snapshot = SampleStore(whole.store, one_in), None
            self._part()
        return self._store
