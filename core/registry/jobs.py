"""Background work as rows: claimed by one worker under a lease, kept by its heartbeat, cancelled, found interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col, select

from core.errors import LeaseLost, NotFound
from core.registry.database import Database
from core.registry.rows import JobColumns

LEASE: Final = timedelta(seconds=15)
"""How long a job stays a worker's after its last heartbeat."""

ATTEMPTS: Final = 3
"""How often a job is begun: one that ends its worker each time is given up."""

Row = TypeVar("Row", bound=JobColumns)


class Jobs(Generic[Row]):
    """The jobs of one table. Whatever a worker reports is refused (LeaseLost) once the job is no longer its own."""

    def __init__(self, database: Database, table: type[Row]) -> None:
        self._database, self._table = database, table

    def claim(self, session: Session, row: Row, worker: str, at: datetime) -> bool:
        """Make a queued job the worker's; False where another was quicker."""
        claimed = _changed(
            session,
            update(self._table)
            .where(col(self._table.id) == row.id, col(self._table.state) == "queued")
            .values(
                state="running",
                worker=worker,
                lease_until=at + LEASE,
                started_at=at,
                done=0,
                total=None,
                attempts=col(self._table.attempts) + 1,
            ),
        )
        if claimed:
            session.refresh(row)
        return bool(claimed)

    def heartbeat(self, worker: str, at: datetime) -> None:
        """Keep everything that a worker runs."""
        with self._database.writing() as session:
            _changed(session, update(self._table).where(*self._own(worker)).values(lease_until=at + LEASE))

    def progress(self, job_id: int, worker: str, done: int, total: int | None) -> bool:
        """Tell how far a job is; False where it is not to go on: cancelled, or no longer the worker's."""
        mine = (col(self._table.id) == job_id, *self._own(worker))
        with self._database.writing() as session:
            going = update(self._table).where(*mine, col(self._table.cancel).is_(False))
            return bool(_changed(session, going.values(done=done, total=total)))

    def held(self, session: Session, job_id: int, worker: str) -> Row:
        """A running job of a worker, locked until the transaction ends. LeaseLost where it is not its own any more."""
        row = session.exec(
            select(self._table).where(col(self._table.id) == job_id, *self._own(worker)).with_for_update()
        ).first()
        if row is None:
            raise LeaseLost(f"The job {job_id} is no longer this worker's.", "Another attempt has it, or it is gone.")
        return row

    def end(self, row: Row, state: str, at: datetime, error: str | None = None) -> None:
        """Close a job within its transaction."""
        row.state, row.finished_at, row.error = state, at, error
        row.worker = row.lease_until = None

    def give_back(self, row: Row, at: datetime, *, again: bool = True) -> None:
        """Stop a job before it is done: cancelled where somebody wants that, else it waits again (or another does)."""
        if row.cancel:
            self.end(row, "cancelled", at)
        elif again:
            row.state, row.worker, row.lease_until, row.attempts = "queued", None, None, row.attempts - 1
        else:
            self.end(row, "interrupted", at, "The worker was stopped.")

    def cancel(self, session: Session, row: Row, at: datetime) -> None:
        """Cancel at once what waits; what runs is asked to stop, and its result is not kept."""
        changed = _changed(
            session,
            update(self._table)
            .where(col(self._table.id) == row.id, col(self._table.state) == "queued")
            .values(state="cancelled", finished_at=at),
        )
        if not changed:
            running = (col(self._table.id) == row.id, col(self._table.state) == "running")
            _changed(session, update(self._table).where(*running).values(cancel=True))

    def expired(self, session: Session, at: datetime) -> Sequence[Row]:
        """The jobs that their worker has not kept."""
        late = select(self._table).where(col(self._table.state) == "running", col(self._table.lease_until) < at)
        return session.exec(late.order_by(col(self._table.id))).all()

    def interrupt(self, session: Session, row: Row, at: datetime) -> bool:
        """Mark one of them as interrupted; False where somebody else has."""
        late = (col(self._table.id) == row.id, col(self._table.state) == "running", col(self._table.lease_until) < at)
        ended = {"state": "interrupted", "worker": None, "lease_until": None, "finished_at": at}
        reason = "The worker ended before it was done."
        changed = _changed(session, update(self._table).where(*late).values(**ended, error=reason))
        session.refresh(row)
        return bool(changed)

    def row(self, session: Session, job_id: int) -> Row:
        """A job by its number. NotFound."""
        row = session.get(self._table, job_id)
        if row is None:
            raise NotFound(f"There is no job {job_id}.")
        return row

    def _own(self, worker: str) -> tuple[Any, Any]:
        return col(self._table.worker) == worker, col(self._table.state) == "running"


def _changed(session: Session, statement: Any) -> int:
    """Run an update; how many rows it changed."""
    result = session.exec(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount


def common(row: JobColumns, names: dict[str, str]) -> dict[str, Any]:
    """What every job's value has."""
    return {
        "id": row.id,
        "state": row.state,
        "requested_at": row.requested_at,
        "requested_by": names.get(row.requested_by, row.requested_by),
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "done": row.done,
        "total": row.total,
        "cancelling": row.cancel and row.state == "running",
        "error": row.error,
    }
