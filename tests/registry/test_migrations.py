"""Migrations: from nothing, from every earlier version with data, by two processes at once, never backwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.errors import RegistryError
from core.registry import Registry
from core.registry.database import HEAD, Database, configuration
from tests.registry.conftest import AT

ROOT = Path(__file__).parents[2]


def test_the_tables_are_those_of_the_rows(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.engine.connect() as connection:
        command.check(configuration(connection))
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == HEAD
    database.close()


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
from core.registry import Registry
Registry.open(sys.argv[1], memberships=Path(sys.argv[2]), at=datetime(2026, 6, 30, tzinfo=UTC)).close()
"""


def test_processes_that_open_an_empty_one_at_once(empty_url: str, tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, empty_url, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(200) for process in processes] == [0, 0]
    opened = Registry.open(empty_url, memberships=tmp_path, at=AT)
    assert opened.people.local().role == "admin"
    opened.close()
