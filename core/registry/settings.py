"""Settings of the whole registry: when active audiences are recalculated, and when a worker was last seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cronsim import CronSim, CronSimError
from sqlmodel import Session

from core.errors import RegistryError
from core.registry.access import acting
from core.registry.audit import record
from core.registry.database import Database
from core.registry.people import LOCAL
from core.registry.rows import SettingRow
from core.registry.values import Person

HOURLY: Final = "0 * * * *"
"""The schedule where none was set."""

SEEN: Final = timedelta(seconds=15)
"""A worker that was seen no longer ago than this is there."""

_SCHEDULE, _SCHEDULED, _WORKER = "schedule", "scheduled_at", "worker_seen_at"


class Settings:
    """What an Admin sets for everybody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def schedule(self) -> str | None:
        """When active audiences are recalculated without new data, as five fields of cron in UTC; None: never."""
        with self._database.reading() as session:
            return _schedule(session)

    def set_schedule(self, cron: str | None, *, by: Person, at: datetime) -> None:
        """Set the schedule. RegistryError for what is no cron expression of five fields, or comes never."""
        if cron is not None:
            _next(cron, at)
        with self._database.writing() as session:
            person = acting(session, by, "admin")
            _keep(session, _SCHEDULE, cron)
            record(session, person, at, "changed", "setting", _SCHEDULE, "schedule", cron=cron)

    def next_run(self, at: datetime) -> datetime | None:
        """When the schedule comes next after a moment."""
        cron = self.schedule()
        return None if cron is None else _next(cron, at)

    def due(self, at: datetime) -> bool:
        """Whether the schedule has come since it was asked last; True for one of several workers only."""
        with self._database.writing() as session:
            cron = _schedule(session)
            row = session.get(SettingRow, (LOCAL, _SCHEDULED), with_for_update=True)
            if cron is not None and row is not None and _next(cron, datetime.fromisoformat(row.value)) > at:
                return False
            _keep(session, _SCHEDULED, at.isoformat())
            return cron is not None and row is not None

    def seen(self, at: datetime) -> None:
        """A worker is there."""
        with self._database.writing() as session:
            _keep(session, _WORKER, at.isoformat())

    def worker_is_there(self, at: datetime) -> bool:
        """Whether any worker is there to do what is asked for."""
        with self._database.reading() as session:
            row = session.get(SettingRow, (LOCAL, _WORKER))
            return row is not None and at - datetime.fromisoformat(row.value) <= SEEN


def _schedule(session: Session) -> str | None:
    row = session.get(SettingRow, (LOCAL, _SCHEDULE))
    return HOURLY if row is None else row.value


def _keep(session: Session, key: str, value: Any) -> None:
    session.merge(SettingRow(account_id=LOCAL, key=key, value=value))


def _next(cron: str, after: datetime) -> datetime:
    try:
        if len(cron.split()) != 5:
            raise CronSimError("it has not five fields")
        return next(CronSim(cron, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as error:
        raise RegistryError(
            f"{cron!r} is no schedule: {error or 'it comes never'}.",
            "Write five fields of cron: minute, hour, day, month, weekday, such as '0 6 * * *'.",
        ) from None
