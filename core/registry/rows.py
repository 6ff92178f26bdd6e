"""The tables of the registry. Rows never leave this folder: services hand out the values of `values.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, ForeignKey, Index, String, Text, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from core.errors import RegistryError

_NUMBERED_ONCE = {"sqlite_autoincrement": True}
"""SQLite would give the number of a deleted last row again."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, UTC when read; SQLite has no zones and would answer naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive moment is refused."""
        if value is not None and value.tzinfo is None:
            raise RegistryError("A moment has no time zone.", "Pass an aware datetime, for example datetime.now(UTC).")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def _moment(*, nullable: bool = False, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable, index=index))


def _only(state: str) -> dict[str, Any]:
    """The options of an index over the jobs of one state."""
    condition = text(f"state = '{state}'")
    return {"sqlite_where": condition, "postgresql_where": condition}


def _json(*, nullable: bool = False) -> Any:
    """A document. A row gets a new one, never an edit inside one: nested edits would be lost without a word."""
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


def _text(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Text(), nullable=nullable))


def _of(target: str, *, primary_key: bool = False, index: bool = False, nullable: bool = False) -> Any:
    """A reference to a row with which this one goes."""
    key = ForeignKey(target, ondelete="CASCADE")
    return Field(default=None, sa_column=Column(String(), key, primary_key=primary_key, index=index, nullable=nullable))


class AccountRow(SQLModel, table=True):
    """One organisation, or a part of it that shares audiences with others."""

    __tablename__ = "account"

    id: str = Field(primary_key=True)
    name: str
    created_at: datetime = _moment()


class PersonRow(SQLModel, table=True):
    """Somebody who works here."""

    __tablename__ = "person"

    id: str = Field(primary_key=True)
    account_id: str = _of("account.id", index=True)
    name: str
    email: str | None = Field(default=None, unique=True)
    role: str
    active: bool = True
    created_at: datetime = _moment()


class AudienceRow(SQLModel, table=True):
    """What a list shows of an audience; its definitions are versions."""

    __tablename__ = "audience"

    id: str = Field(primary_key=True)
    account_id: str = _of("account.id", index=True)
    name: str
    external_name: str | None = None
    workspaces: list[str] = _json()
    state: str
    version: int
    active_version: int | None = None
    created_at: datetime = _moment()
    created_by: str
    updated_at: datetime = _moment()
    updated_by: str
    saved_at: datetime = _moment()
    saved_by: str
    last_calculation: int | None = None
    error: str | None = _text(nullable=True)
    sparkline: list[list[Any]] = _json()
    estimate: dict[str, Any] | None = _json(nullable=True)


class VersionRow(SQLModel, table=True):
    """One saved definition of an audience; never changed."""

    __tablename__ = "audience_version"

    audience_id: str = _of("audience.id", primary_key=True)
    number: int = Field(primary_key=True)
    document: dict[str, Any] = _json()
    saved_at: datetime = _moment()
    saved_by: str
    note: str = _text()


class TagRow(SQLModel, table=True):
    """A tag of an audience; `folded` is what tags are compared by."""

    __tablename__ = "audience_tag"

    audience_id: str = _of("audience.id", primary_key=True)
    folded: str = Field(primary_key=True)
    tag: str


class NestingRow(SQLModel, table=True):
    """An audience whose membership a version of another asks for: the newest version, or the one in force."""

    __tablename__ = "audience_nesting"

    audience_id: str = _of("audience.id", primary_key=True)
    named_id: str = Field(sa_column=Column(String(), ForeignKey("audience.id"), primary_key=True, index=True))


class ShareRow(SQLModel, table=True):
    """What another account may do with an audience: view_only or usable."""

    __tablename__ = "audience_share"

    audience_id: str = _of("audience.id", primary_key=True)
    account_id: str = _of("account.id", primary_key=True, index=True)
    access: str


class JobColumns(SQLModel):
    """What calculations and loads share: who asked, who works on it, how far it is."""

    id: int | None = Field(default=None, primary_key=True)
    state: str
    requested_at: datetime = Field(sa_type=UtcDateTime)
    requested_by: str
    worker: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    done: int = 0
    total: int | None = None
    cancel: bool = False
    attempts: int = 0
    error: str | None = Field(default=None, sa_type=Text)


class CalculationRow(JobColumns, table=True):
    """One calculation of an audience: asked for, running, or what it found."""

    __tablename__ = "calculation"
    __table_args__ = (
        Index("calculation_queued", "audience_id", unique=True, **_only("queued")),
        Index("calculation_running", "audience_id", unique=True, **_only("running")),
        Index("calculation_finished", "finished_at"),
        Index("calculation_of", "audience_id", "finished_at"),
        _NUMBERED_ONCE,
    )

    audience_id: str = _of("audience.id")
    cause: str
    now: datetime | None = _moment(nullable=True)
    version: int | None = None
    dataset_version: int | None = None
    size: int | None = None
    adds: int | None = None
    drops: int | None = None
    universe: int | None = None
    membership: str | None = None


class LoadRow(JobColumns, table=True):
    """One load into the account's dataset: asked for, running, or its report."""

    __tablename__ = "load"
    __table_args__ = (Index("load_state", "state"), _NUMBERED_ONCE)

    account_id: str = _of("account.id")
    format: str
    sources: list[str] = _json()
    uploaded: bool = False
    mapping: dict[str, Any] | None = _json(nullable=True)
    workspace: str
    input: str
    kind: str
    environment: str
    dataset_version: int | None = None
    report: dict[str, Any] | None = _json(nullable=True)


class DraftRow(SQLModel, table=True):
    """Unsaved work of a person."""

    __tablename__ = "draft"

    person_id: str = _of("person.id", primary_key=True)
    key: str = Field(primary_key=True)
    document: dict[str, Any] = _json()
    kept_at: datetime = _moment()


class MappingRow(SQLModel, table=True):
    """A table mapping that is remembered; `columns` is what a later table is recognised by."""

    __tablename__ = "table_mapping"

    account_id: str = _of("account.id", primary_key=True)
    name: str = Field(primary_key=True)
    columns: str = _text()
    document: dict[str, Any] = _json()
    kept_at: datetime = _moment()
    kept_by: str


class SettingRow(SQLModel, table=True):
    """One setting of an account, or what the worker has seen."""

    __tablename__ = "setting"

    account_id: str = _of("account.id", primary_key=True)
    key: str = Field(primary_key=True)
    value: Any = _json(nullable=True)


class AuditRow(SQLModel, table=True):
    """One change: who, when, what, to which thing. Names are kept as they were."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_subject", "subject_kind", "subject_id"), _NUMBERED_ONCE)

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _moment(index=True)
    account_id: str = Field(index=True)
    person_id: str
    person: str
    action: str
    subject_kind: str
    subject_id: str
    subject: str
    details: dict[str, Any] = _json()
