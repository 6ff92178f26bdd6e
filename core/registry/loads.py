"""Loads into the account's dataset as background jobs: asked for by a person, done by the worker, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlmodel import col, select

from core.data.loading import LoadReport
from core.data.mapping import Mapping as TableMapping
from core.errors import RegistryError
from core.registry.access import acting
from core.registry.audit import record
from core.registry.database import Database
from core.registry.jobs import ATTEMPTS, Jobs, common
from core.registry.people import LOCAL, names
from core.registry.rows import AccountRow, LoadRow
from core.registry.values import FORMATS, Format, Load, Person


class Loads:
    """Loads that were asked for, that run, and their reports."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.jobs = Jobs(database, LoadRow)

    def request(
        self,
        *,
        format: Format,
        sources: Sequence[str],
        workspace: str,
        input: str,
        by: Person,
        at: datetime,
        kind: str = "platform",
        mapping: Mapping[str, Any] | None = None,
        environment: str = "production",
        uploaded: bool = False,
    ) -> Load:
        """Ask the worker to load paths of files, folders or globs. Admin only. `at` is the arrival of the data.

        Tables need a mapping (InputError for an invalid one). `uploaded` files are removed when it has ended.
        """
        if format not in FORMATS or not sources or not workspace.strip() or not input.strip():
            raise RegistryError("A load needs a format, files, a workspace and an input.", f"Formats: {FORMATS}.")
        table = format in ("csv", "parquet", "arrow")
        if table != (mapping is not None):
            wanted = "needs a mapping" if table else "has no mapping"
            raise RegistryError(f"A load of {format} {wanted}.")
        document = None if mapping is None else TableMapping.from_dict(dict(mapping)).to_dict()
        with self._database.writing() as session:
            person = acting(session, by, "admin")
            row = LoadRow(
                state="queued",
                requested_at=at,
                requested_by=person.id,
                account_id=person.account_id,
                format=format,
                sources=list(sources),
                uploaded=uploaded,
                mapping=document,
                workspace=workspace.strip(),
                input=input.strip(),
                kind=kind,
                environment=environment,
            )
            session.add(row)
            session.flush()
            record(session, person, at, "requested", "load", str(row.id), f"{row.workspace}/{row.input}", format=format)
            return _value(row, names(session))

    def get(self, load_id: int, by: Person) -> Load:
        """Where a load stands. NotFound."""
        with self._database.reading() as session:
            acting(session, by)
            return _value(self.jobs.row(session, load_id), names(session))

    def list(self, by: Person, *, limit: int = 50) -> tuple[Load, ...]:
        """The loads of the account, newest first."""
        with self._database.reading() as session:
            account = acting(session, by).account_id
            asked = select(LoadRow).where(col(LoadRow.account_id) == account).order_by(col(LoadRow.id).desc())
            known = names(session)
            return tuple(_value(row, known) for row in session.exec(asked.limit(limit)))

    def cancel(self, load_id: int, *, by: Person, at: datetime) -> Load:
        """Cancel a load that waits or runs (one that runs ends soon); the dataset stays as it was before it."""
        with self._database.writing() as session:
            person = acting(session, by, "admin")
            row = self.jobs.row(session, load_id)
            self.jobs.cancel(session, row, at)
            record(session, person, at, "cancelled", "load", str(load_id), f"{row.workspace}/{row.input}")
            session.refresh(row)
            return _value(row, names(session))

    # -- the worker's side -----------------------------------------------------------------------------------------

    def claim(self, worker: str, at: datetime, dataset_version: int | None) -> Load | None:
        """The next load, if none runs. `dataset_version` is what the dataset has now, None where there is none."""
        with self._database.writing() as session:
            # One dataset, one load: workers look one after the other.
            session.exec(select(AccountRow).where(col(AccountRow.id) == LOCAL).with_for_update())
            running = select(LoadRow.id).where(col(LoadRow.state) == "running")
            waiting = select(LoadRow).where(col(LoadRow.state) == "queued").order_by(col(LoadRow.id))
            row = None if session.exec(running).first() else session.exec(waiting).first()
            if row is None or not self.jobs.claim(session, row, worker, at):
                return None
            row.dataset_version = dataset_version
            return _value(row, names(session))

    def finish(self, load_id: int, worker: str, at: datetime, report: LoadReport | str) -> Load:
        """The report of a load; a text says why there is none. LeaseLost."""
        with self._database.writing() as session:
            row = self.jobs.held(session, load_id, worker)
            if isinstance(report, str):
                self.jobs.end(row, "failed", at, report)
            else:
                row.report = asdict(report)
                self.jobs.end(row, "done", at)
            return _value(row, names(session))

    def give_back(self, load_id: int, worker: str, at: datetime) -> Load:
        """Stop a load of which nothing was committed: cancelled if somebody wants that, else it waits again."""
        with self._database.writing() as session:
            row = self.jobs.held(session, load_id, worker)
            self.jobs.give_back(row, at)
            return _value(row, names(session))

    def recover(self, at: datetime, dataset_version: int | None) -> tuple[Load, ...]:
        """Mark loads whose worker died. One that cannot have been committed (the dataset's version is still that of
        its start) is queued again, twice; others are told as interrupted, for loading them again could count twice."""
        with self._database.writing() as session:
            found = [row for row in self.jobs.expired(session, at) if self.jobs.interrupt(session, row, at)]
            for row in found:
                again = row.dataset_version == dataset_version and row.attempts < ATTEMPTS
                if again and not row.cancel:
                    row.state, row.error, row.finished_at = "queued", None, None
                else:
                    row.error = "The worker ended before it was done. Look whether the data is there, then load again."
            known = names(session)
            return tuple(_value(row, known) for row in found)


def _value(row: LoadRow, known: dict[str, str]) -> Load:
    return Load(
        **common(row, known),
        format=cast(Format, row.format),
        sources=tuple(row.sources),
        uploaded=row.uploaded,
        mapping=row.mapping,
        workspace=row.workspace,
        input=row.input,
        kind=cast(Any, row.kind),
        environment=cast(Any, row.environment),
        report=row.report,
    )
