"""The versions of an audience: what was saved, how it changed, and an earlier one again."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from core.audience import Audience
from core.registry import nesting
from core.registry.access import acting, visible
from core.registry.audiences import Audiences
from core.registry.database import Database
from core.registry.differences import differences
from core.registry.people import names
from core.registry.rows import CalculationRow, VersionRow
from core.registry.values import Person, SavedAudience, Version, VersionDiff


class Versions:
    """Every saved definition of an audience; a version is never changed."""

    def __init__(self, database: Database, audiences: Audiences) -> None:
        self._database, self._audiences = database, audiences

    def list(self, audience_id: str, by: Person) -> tuple[Version, ...]:
        """The versions, newest first."""
        with self._database.reading() as session:
            row, _ = visible(session, acting(session, by), audience_id)
            known, sizes = names(session), _sizes(session, audience_id)
            asked = select(VersionRow.number, VersionRow.saved_at, VersionRow.saved_by, VersionRow.note).where(
                col(VersionRow.audience_id) == audience_id
            )
            return tuple(
                Version(number, at, known.get(who, who), note, number == row.active_version, sizes.get(number))
                for number, at, who, note in session.exec(asked.order_by(col(VersionRow.number).desc()))
            )

    def get(self, audience_id: str, number: int, by: Person) -> Audience:
        """The definition of a version. NotFound."""
        with self._database.reading() as session:
            visible(session, acting(session, by), audience_id)
            return nesting.document(session, audience_id, number)

    def diff(self, audience_id: str, before: int, after: int, by: Person) -> VersionDiff:
        """How one version became another: definition and size."""
        with self._database.reading() as session:
            visible(session, acting(session, by), audience_id)
            sizes = _sizes(session, audience_id)
            changes = differences(
                nesting.document(session, audience_id, before), nesting.document(session, audience_id, after)
            )
            return VersionDiff(before, after, changes, sizes.get(before), sizes.get(after))

    def restore(self, audience_id: str, number: int, *, by: Person, at: datetime, seen: int) -> SavedAudience:
        """Save an earlier definition as the newest version; nothing is lost, and what is in force stays."""
        found = self.get(audience_id, number, by)
        note = f"Version {number} restored"
        return self._audiences.save(audience_id, found, by=by, at=at, seen=seen, note=note)


def _sizes(session: Session, audience_id: str) -> dict[int | None, int | None]:
    """What the last calculation of each version counted."""
    asked = (
        select(CalculationRow.version, CalculationRow.size)
        .where(col(CalculationRow.audience_id) == audience_id, col(CalculationRow.state) == "done")
        .order_by(col(CalculationRow.id))
    )
    return dict(session.exec(asked).all())
