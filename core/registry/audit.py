"""The audit log: every change that a person makes, written in the transaction that makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from core.registry.access import acting, visible
from core.registry.database import Database
from core.registry.rows import AuditRow, PersonRow
from core.registry.values import AuditEntry, Person


def record(
    session: Session, by: PersonRow, at: datetime, action: str, kind: str, subject_id: str, name: str, **details: Any
) -> None:
    """Add one entry to the transaction."""
    session.add(
        AuditRow(
            at=at,
            account_id=by.account_id,
            person_id=by.id,
            person=by.name,
            action=action,
            subject_kind=kind,
            subject_id=subject_id,
            subject=name,
            details=details,
        )
    )


class AuditLog:
    """What was changed, by whom and when; nothing in it can be changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, by: Person, *, limit: int = 200, before: int | None = None) -> tuple[AuditEntry, ...]:
        """The entries of the person's account, newest first; `before` an entry's id goes on. Admin only."""
        with self._database.reading() as session:
            person = acting(session, by, "admin")
            asked = select(AuditRow).where(col(AuditRow.account_id) == person.account_id)
            if before is not None:
                asked = asked.where(col(AuditRow.id) < before)
            rows = session.exec(asked.order_by(col(AuditRow.id).desc()).limit(limit))
            return tuple(_entry(row) for row in rows)

    def of_audience(self, audience_id: str, by: Person, *, limit: int = 200) -> tuple[AuditEntry, ...]:
        """What was done to an audience that the person can see, newest first."""
        with self._database.reading() as session:
            visible(session, acting(session, by), audience_id)
            asked = select(AuditRow).where(
                col(AuditRow.subject_kind) == "audience", col(AuditRow.subject_id) == audience_id
            )
            return tuple(_entry(row) for row in session.exec(asked.order_by(col(AuditRow.id).desc()).limit(limit)))


def _entry(row: AuditRow) -> AuditEntry:
    assert row.id is not None
    return AuditEntry(
        row.id, row.at, row.person, row.action, row.subject_kind, row.subject_id, row.subject, row.details
    )
