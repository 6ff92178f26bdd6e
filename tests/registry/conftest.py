"""Every test of the registry runs on SQLite and on a PostgreSQL server that the tests start."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from core.registry import Person, Registry
from tests import postgres

AT = datetime(2026, 6, 30, 12, tzinfo=UTC)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def create(server: str, template: str | None = None) -> str:
    """The URL of a new database of the server, a copy of another one where given."""
    name = f"registry_{next(_numbers)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was migrated once, to be copied: its file or database, by the name of the engine."""
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.sqlite'}"
    return create(request.getfixturevalue("postgres_server"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of a new registry: a copy, for migrating takes longest."""
    if request.param == "sqlite":
        if "sqlite" not in migrated:
            migrated["sqlite"] = str(tmp_path_factory.mktemp("migrated") / "registry.sqlite")
            Registry.open(f"sqlite:///{migrated['sqlite']}", memberships=tmp_path, at=AT).close()
        shutil.copyfile(migrated["sqlite"], tmp_path / "registry.sqlite")
        return f"sqlite:///{tmp_path / 'registry.sqlite'}"
    server = request.getfixturevalue("postgres_server")
    if "postgresql" not in migrated:
        made = create(server)
        Registry.open(made, memberships=tmp_path, at=AT).close()
        migrated["postgresql"] = str(make_url(made).database)
    return create(server, migrated["postgresql"])


@pytest.fixture
def registry(url: str, tmp_path: Path) -> Iterator[Registry]:
    opened = Registry.open(url, memberships=tmp_path / "memberships", at=AT)
    yield opened
    opened.close()


@pytest.fixture
def admin(registry: Registry) -> Person:
    return registry.people.local()
