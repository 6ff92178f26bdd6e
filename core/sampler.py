"""Sampler: the slice of a dataset (`core.data.sample`) that estimates judge in place of everybody, once it is there."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from core.data.memory import Memory
from core.data.sample import SampleStore, one_in_of
from core.data.snapshot import Snapshot
from core.scope import OF_A_VERSION


class Sampler:
    """The slice of one dataset or shard, from version to version, with a memory of its own."""

    def __init__(self, memory_bytes: int) -> None:
        """`memory_bytes`: what the slice may hold."""
        self.memory, self._facts = Memory(memory_bytes // 2), Memory(memory_bytes // 2)
        self._store: SampleStore | None = None
        self._of: tuple[int, int] | None = None
        self._snapshot: Snapshot | None = None

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

    def limit(self, memory_bytes: int) -> None:
        """Sets another limit of what the slice may hold."""
        self.memory.limit(memory_bytes // 2)
        self._facts.limit(memory_bytes // 2)

    def fresh(self) -> Sampler:
        """The same slice with nothing remembered."""
        other = copy(self)
        other.memory = Memory(self.memory.limit_bytes)
        return other

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
            self.memory, self._facts = Memory(self.memory.limit_bytes), Memory(self._facts.limit_bytes)
        return self._store
