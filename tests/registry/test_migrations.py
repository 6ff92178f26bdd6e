"""Migrations: from nothing, from every earlier version with data, by two processes at once, never backwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.errors import RegistryError
from core.registry import Registry, Size
from core.registry.database import HEAD, MIGRATIONS, Database, configuration
from tests.registry.audiences import audience
from tests.registry.conftest import AT

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "earlier"
"""A small registry as each version wrote it, as SQL that both databases read."""


def test_the_tables_are_those_of_the_rows(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.engine.connect() as connection:
        command.check(configuration(connection))
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == HEAD
    database.close()


def revisions() -> list[str]:
    """Every version of the tables that there was, oldest first."""
    script = ScriptDirectory(str(MIGRATIONS))
    return [each.revision for each in script.walk_revisions()][::-1]


@pytest.mark.parametrize("revision", revisions())
def test_from_every_earlier_version_with_data(empty_url: str, revision: str, tmp_path: Path) -> None:
    database = Database(empty_url)
    with database.engine.execution_options(writes=True).begin() as connection:
        command.upgrade(configuration(connection), revision)
        for statement in (DATA / f"{revision}.sql").read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    database.close()
    opened = Registry.open(empty_url, memberships=tmp_path, at=AT)
    me = opened.people.local()
    (row,) = opened.audiences.list(me, datetime(2026, 1, 2, 13, tzinfo=UTC))
    assert (row.id, row.status, row.size, row.adds_24h, row.drops_24h) == ("gold", "calculating", Size(40), 3, 1)
    assert (row.tags, row.sparkline, row.created_at) == (("Paris",), (38, 40), datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert opened.versions.get("gold", 1, me) == audience("Gold")
    assert [each.key for each in opened.drafts.list(me)] == ["gold"]
    assert [each.state for each in opened.loads.list(me)] == ["done"]
    (waiting,) = opened.calculations.claim("w", AT)
    assert waiting.definition == audience("Gold")
    opened.audiences.tag(["gold"], by=me, at=AT, add=["New"])
    opened.close()


def test_a_newer_registry_is_refused(url: str, tmp_path: Path) -> None:
    database = Database(url)
    database.migrate()
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(RegistryError, match="newer version"):
        Registry.open(url, memberships=tmp_path, at=AT)


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite:////no/such/folder/x.sqlite", "postgresql+psycopg://x:secret@127.0.0.1:1/x", "odd://x"]
)
def test_a_registry_that_cannot_be_used_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"cannot be (used|reached)") as told:
        Registry.open(url, memberships=tmp_path, at=AT)
    assert "secret" not in str(told.value)


OPEN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from core.registry import Registry, Size
Registry.open(sys.argv[1], memberships=Path(sys.argv[2]), at=datetime(2026, 6, 30, tzinfo=UTC)).close()
"""


def test_processes_that_open_an_empty_one_at_once(empty_url: str, tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, empty_url, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(200) for process in processes] == [0, 0]
    opened = Registry.open(empty_url, memberships=tmp_path, at=AT)
    assert opened.people.local().role == "admin"
    opened.close()


def test_a_new_file_that_somebody_else_begins_to_write(tmp_path: Path) -> None:
    """SQLite refuses at once to turn it to its write-ahead log, whatever the timeout; it is tried until it goes."""
    file = tmp_path / "registry.sqlite"
    first = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE theirs (id INTEGER)")

    def commit() -> None:
        time.sleep(0.3)
        first.execute("COMMIT")

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(commit)
        database = Database(f"sqlite:///{file}")
        with database.engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        done.result()
    database.close()
    first.close()
