"""Account: one account's data on disk as it is changed: loads, compaction, settings. `core.dataset` asks it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl

from core.criteria.calculated import CalculatedAttribute, calculated_attribute
from core.data.batches import load_batches
from core.data.compaction import compact
from core.data.loading import LoadReport
from core.data.manifest import Manifest
from core.data.mapping import Mapping as TableMapping
from core.data.schema import NAMELESS_KINDS
from core.data.segment import load_segment
from core.data.store import Store
from core.data.tables import load_table
from core.errors import CoreError, DefinitionError, Problem

InputKind = Literal["platform", "feed"]
Progress = Callable[[int, int | None], None]
"""Told of loads, which may not know how much there is."""


class Account(ABC):
    """A version of the data in a folder; every change moves on to the newest one."""

    _store: Store

    @property
    @abstractmethod
    def _manifest(self) -> Manifest:
        """What is on disk in this version."""

    @abstractmethod
    def refresh(self) -> Self:
        """Move on to the newest version on disk; returns this dataset."""

    @property
    def path(self) -> Path:
        """The folder that holds it."""
        return self._store.path

    @property
    def version(self) -> int:
        """Grows by one with every commit; this object reads one version."""
        return self._manifest.version

    # -- data in ---------------------------------------------------------------------------------------------------

    def load_batches(
        self,
        batches: Iterable[Any] | str | Path,
        *,
        workspace: str,
        input: str,
        kind: InputKind = "platform",
        received_at: datetime | None = None,
        environment: Literal["production", "development", "all"] = "production",
        geoip: str | Path | None = None,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> LoadReport:
        """Load mParticle batches: dicts, or paths of JSON files, folders and globs (DEFINITION 6). All or nothing.

        More `processes` than one read big files side by side; a script that asks for them guards its main part by
        `if __name__ == "__main__"`, as `multiprocessing` needs it.
        """
        return self._moved(
            load_batches(
                self._store,
                batches,
                workspace=workspace,
                input=input,
                kind=kind,
                received_at=received_at,
                environment=environment,
                geoip_path=None if geoip is None else Path(geoip),
                processes=processes,
                progress=progress,
            )
        )

    def load_table(
        self,
        frame_or_path: pl.DataFrame | pl.LazyFrame | str | Path | Sequence[str | Path],
        mapping: TableMapping | dict[str, Any],
        *,
        workspace: str,
        input: str,
        kind: InputKind = "platform",
        received_at: datetime | None = None,
        progress: Progress | None = None,
    ) -> LoadReport:
        """Load a table (CSV, Parquet, Arrow, a frame) or files alike by a mapping (DEFINITION 5.1). All or nothing."""
        return self._moved(
            load_table(
                self._store,
                frame_or_path,
                mapping,
                workspace=workspace,
                input=input,
                kind=kind,
                received_at=received_at,
                progress=progress,
            )
        )

    def load_segment(
        self,
        source: Iterable[Any] | str | Path,
        *,
        workspace: str,
        input: str,
        kind: InputKind = "platform",
        received_at: datetime | None = None,
        progress: Progress | None = None,
    ) -> LoadReport:
        """Load Segment-style messages (identify, track, page, screen, ...), one JSON object a line. All or nothing."""
        return self._moved(
            load_segment(
                self._store,
                source,
                workspace=workspace,
                input=input,
                kind=kind,
                received_at=received_at,
                progress=progress,
            )
        )

    def compact(self, *, full: bool = False) -> bool:
        """Merge the segments of many loads into fewer, all of them if `full`; False where there was nothing to do.

        Answers stay the same; loads go on meanwhile, and who reads an earlier version keeps reading it. To be called
        after loads, by one process at a time: DatasetBusy while another one compacts.
        """
        done = compact(self._store, full=full)
        self.refresh()
        if done:
            self._store.sweep()
        return done

    def _moved(self, report: LoadReport) -> LoadReport:
        self.refresh()
        return report

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def workspaces(self) -> Mapping[str, Any]:
        """Workspaces by name, each with its inputs, tiers and calculated attributes."""
        return self._manifest.workspaces

    def add_calculated_attribute(self, definition: dict[str, Any], *, workspace: str) -> None:
        """Define a calculated attribute (DEFINITION 3.4), or replace the one of that name; raises DefinitionError."""
        parsed = calculated_attribute(definition)
        self._known_workspace(workspace)
        demoted = self._demoted(parsed, workspace)
        if demoted:
            raise DefinitionError([demoted])
        self._store.set_calculated_attribute(workspace, parsed.name, definition)
        self.refresh()

    def _demoted(self, attribute: CalculatedAttribute, workspace: str) -> Problem | None:
        event = attribute.event
        tier = self.workspaces[workspace].tiers.get((event.kind, event.name), "personalize")
        if tier == "personalize" or (event.name is None and event.kind not in NAMELESS_KINDS):
            return None
        named = event.kind if event.name is None else repr(event.name)
        return Problem("event", f"The event {named} is in the tier {tier}.", "Set its tier to personalize first.")

    def remove_calculated_attribute(self, name: str, *, workspace: str) -> None:
        """Remove a calculated attribute; CoreError if there is none of that name."""
        self._known_workspace(workspace)
        if name not in self.workspaces[workspace].calculated_attributes:
            raise CoreError(f"{workspace} has no calculated attribute {name!r}.", "See `calculated-attribute list`.")
        self._store.set_calculated_attribute(workspace, name, None)
        self.refresh()

    def set_event_tier(
        self, *, kind: str, name: str | None, tier: Literal["personalize", "preserve", "connect"], workspace: str
    ) -> None:
        """Set the tier of an event name; outside of Personalize no criterion can use it. CoreError while it is used.

        `name` is None for kinds whose events have no names, and for them only.
        """
        self._known_workspace(workspace)
        used = [
            each
            for each, known in self.workspaces[workspace].calculated_attributes.items()
            if (event := calculated_attribute(known).event).kind == kind and event.name == name
        ]
        if tier != "personalize" and used:
            raise CoreError(
                f"The event {name!r} is used by the calculated attribute {used[0]!r}.", "Remove that first."
            )
        self._store.set_event_tier(workspace, kind, name, tier)
        self.refresh()

    @property
    def profile_retention_days(self) -> float | None:
        """Profiles inactive for longer leave the universe; None keeps everybody."""
        return self._manifest.profile_retention_days

    @profile_retention_days.setter
    def profile_retention_days(self, days: float | None) -> None:
        if days is not None and (isinstance(days, bool) or not isinstance(days, int | float) or not days > 0):
            raise CoreError(f"A retention of {days!r} days keeps nobody.", "Give a number of days above 0, or None.")
        self._store.set_profile_retention(days)
        self.refresh()

    def add_input(self, workspace: str, input: str, kind: InputKind = "platform") -> None:
        """Register an input (and its workspace) before data arrives through it; DatasetError for an impossible name."""
        self._store.change(lambda manifest: manifest.with_input(workspace, input, kind))
        self.refresh()

    def _known_workspace(self, workspace: str) -> None:
        self._manifest.settings(workspace)
