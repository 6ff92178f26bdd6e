"""The database of the registry: its engine, transactions that read or write, and its migration to this program."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlmodel import Session

from core.errors import RegistryError

HEAD: Final = "0002"
"""The newest migration, which this program speaks."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_WAIT_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.01
_ON_CONNECT: Final = (
    f"PRAGMA busy_timeout={_WAIT_SECONDS * 1000:.0f}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=NORMAL",
)
_MIGRATION_LOCK: Final = 7_318_401_522
"""PostgreSQL's advisory lock under which one process migrates; any number that nobody else uses."""


class Database:
    """One database by its SQLAlchemy URL. RegistryError where it cannot be reached or a newer program migrated it."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self.engine: Engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise RegistryError(
                f"The registry's URL cannot be used: {error}.",
                "Write it as sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE.",
            ) from None
        self._writer = self.engine.execution_options(writes=True)
        if parsed.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _configure)
            event.listen(self.engine, "begin", _begin)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the registry."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed when the block ends well. On SQLite one at a time; others wait for it."""
        with Session(self._writer, expire_on_commit=False) as session:
            yield session
            session.commit()

    def migrate(self) -> None:
        """Bring the tables to this program's version; nothing where they are there."""
        try:
            with self.engine.connect() as connection:
                found = _revision(connection)
            if found == HEAD:
                return
            if found is not None and found > HEAD:
                raise RegistryError(
                    f"The registry was written by a newer version of the program (migration {found}).",
                    "Update the workbench, or give it another database.",
                )
            self._upgrade()
        except DBAPIError as error:
            raise RegistryError(
                f"The registry cannot be reached: {str(error.orig).strip().splitlines()[0]}",
                f"Check {self.engine.url.render_as_string(hide_password=True)} (WORKBENCH_DATABASE_URL).",
            ) from None

    def _upgrade(self) -> None:
        from alembic import command

        with self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            if _revision(connection) != HEAD:
                command.upgrade(configuration(connection), "head")

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()


def configuration(connection: Connection) -> Any:
    """Alembic's configuration for a connection."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _configure(connection: Any, _: Any) -> None:
    # Python's driver would begin transactions late and by its own rules; `_begin` does it.
    connection.isolation_level = None
    for each in _ON_CONNECT:
        connection.execute(each).close()
    _into_wal(connection)


def _into_wal(connection: sqlite3.Connection) -> None:
    """Let readers and one writer work beside each other. Of two that turn a new file to WAL at once, SQLite refuses
    one without waiting, whatever its timeout: that one tries again."""
    for left in reversed(range(round(_WAIT_SECONDS / _AGAIN_SECONDS))):
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or not left:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def _begin(connection: Connection) -> None:
    """A writer takes the lock at once: one that reads first and then writes could not wait for another."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
