"""The call behind the list page: 1,000 audiences with 24 calculations each in under 100 ms of a core."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import insert

from core.registry import Person, Registry
from core.registry.database import Database
from core.registry.rows import AudienceRow, CalculationRow, TagRow
from tests.registry.conftest import AT

COUNT, HOURS = 1_000, 24


def fill(url: str) -> None:
    """Rows as the services write them, at once: the services would take a minute."""
    database = Database(url)
    who = {"created_at": AT, "created_by": "local", "updated_at": AT, "updated_by": "local"}
    who |= {"saved_at": AT, "saved_by": "local", "account_id": "local"}
    sparkline = [[f"2026-06-{day:02d}", 100 * day] for day in range(1, 31)]
    with database.writing() as session:
        for number in range(COUNT):
            name, workspaces = f"Audience {number}", ["shop", "travel"][: 1 + number % 2]
            scope = {"name": name, "workspaces": workspaces, "state": "active", "version": 1, "active_version": 1}
            last = number * HOURS + HOURS
            session.add(AudienceRow(id=f"a{number}", last_calculation=last, sparkline=sparkline, **scope, **who))
        session.flush()
        tags = [f"t{number % 7}" for number in range(COUNT)]
        rows = [{"audience_id": f"a{at}", "folded": tag, "tag": tag} for at, tag in enumerate(tags)]
        session.connection().execute(insert(TagRow), rows)
        job = {"state": "done", "requested_at": AT, "requested_by": "worker", "cause": "schedule", "version": 1}
        found = {"size": 3000, "adds": 2, "drops": 1}
        times = [AT - timedelta(minutes=30) - timedelta(hours=HOURS - 1 - hour) for hour in range(HOURS)]
        session.connection().execute(
            insert(CalculationRow),
            [
                {"audience_id": f"a{number}", "now": at, "finished_at": at, **job, **found}
                for number in range(COUNT)
                for at in times
            ],
        )
    database.close()


def test_the_list_of_1000_audiences(registry: Registry, admin: Person, url: str) -> None:
    fill(url)
    taken = []
    for _ in range(7):
        started = time.process_time()
        rows = registry.audiences.list(admin, AT)
        taken.append(time.process_time() - started)
    assert len(rows) == COUNT
    assert {(row.size.count, row.adds_24h, row.drops_24h, len(row.sparkline)) for row in rows} == {(3000, 48, 24, 30)}
    assert len(registry.audiences.list(admin, AT, tags=["T3"], search="audience 1")) > 0
    assert min(taken) < 0.1, taken
