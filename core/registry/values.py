"""What the registry's services hand out: frozen values. Moments are aware, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from core.audience import Audience

Role = Literal["viewer", "audiences", "admin"]
"""viewer sees; audiences also creates and edits audiences; admin also loads data and manages people and settings."""
ROLES: Final[tuple[Role, ...]] = get_args(Role)

Access = Literal["private", "view_only", "usable"]
"""What a receiving account may do: nothing; see and copy; also name it in memberships and connect it."""
ACCESSES: Final[tuple[Access, ...]] = get_args(Access)

Status = Literal["draft", "active", "calculating", "paused", "error"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

Cause = Literal["activated", "data", "schedule", "demand"]
"""Why a calculation was asked for."""

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

Format = Literal["mparticle", "segment", "csv", "parquet", "arrow"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Account:
    """An organisation, or a part of it, that owns audiences and receives those that others share."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works here. Every change names the person that makes it."""

    id: str
    name: str
    email: str | None
    role: Role
    account: Account
    active: bool

    def may(self, role: Role) -> bool:
        """Whether this person has at least a role. Services check it themselves; this is for what a page offers."""
        return self.active and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Size:
    """How many members. `estimated` until a calculation is done; `symbol` "~" (too few sampled) or "error" with its
    `reason` stand for a number that there is not. Everything None: nothing is known yet."""

    count: int | None = None
    estimated: bool = False
    low: int | None = None
    high: int | None = None
    symbol: Literal["~", "error"] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SavedAudience:
    """An audience with its newest definition. `definition_in_force` is what is calculated and what others name:
    the version that was activated last, the newest while there is none."""

    id: str
    account: Account
    definition: Audience
    version: int
    active_version: int | None
    definition_in_force: Audience
    status: Status
    error: str | None
    tags: tuple[str, ...]
    access: Access
    own: bool
    created_at: datetime
    created_by: str
    saved_at: datetime
    saved_by: str
    updated_at: datetime
    updated_by: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name


@dataclass(frozen=True, slots=True)
class AudienceSummary:
    """An audience as a row of the list.

    Adds, drops and volatility are those of the calculations completed in the last 24 hours; `volatility_24h` is
    (adds + drops) / size, None of an empty audience. `sparkline` holds the size at the end of each of the last days
    with a calculation, oldest first, at most 30. `access` of an own audience is the most that any account has.
    """

    id: str
    name: str
    external_name: str | None
    account: Account
    workspaces: tuple[str, ...]
    status: Status
    progress: float | None
    error: str | None
    size: Size
    calculated_at: datetime | None
    as_of: datetime | None
    adds_24h: int
    drops_24h: int
    volatility_24h: float | None
    sparkline: tuple[int, ...]
    tags: tuple[str, ...]
    version: int
    active_version: int | None
    updated_at: datetime
    updated_by: str
    created_at: datetime
    created_by: str
    access: Access
    own: bool


@dataclass(frozen=True, slots=True)
class Version:
    """One saved definition; `size` as the last calculation of it found."""

    number: int
    saved_at: datetime
    saved_by: str
    note: str
    in_force: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One difference of two definitions: `what` in words ("criterion", "name", "logic" ...), before and after as text;
    None where it was or is not there."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """How one version became another, with the sizes that calculations of them found."""

    before: int
    after: int
    changes: tuple[Change, ...]
    size_before: int | None
    size_after: int | None


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of background work: where it stands."""

    id: int
    state: JobState
    requested_at: datetime
    requested_by: str
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    total: int | None
    cancelling: bool
    error: str | None

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None while it is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def open(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class Calculation(Job):
    """One calculation of an audience; results are None until it is done. The members of the first are no adds."""

    audience_id: str
    cause: Cause
    now: datetime | None
    version: int | None
    dataset_version: int | None
    size: int | None
    adds: int | None
    drops: int | None
    universe: int | None


@dataclass(frozen=True, slots=True)
class Load(Job):
    """One load of files into an input. `report` is the LoadReport as a document, once it is done."""

    format: Format
    sources: tuple[str, ...]
    uploaded: bool
    mapping: Mapping[str, Any] | None
    workspace: str
    input: str
    kind: Literal["platform", "feed"]
    environment: Literal["production", "development", "all"]
    report: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Draft:
    """Unsaved work of a person, as it was kept last."""

    key: str
    document: dict[str, Any]
    kept_at: datetime


@dataclass(frozen=True, slots=True)
class RememberedMapping:
    """The mapping of a table that was loaded before, and the columns that it had."""

    name: str
    columns: tuple[str, ...]
    document: dict[str, Any]
    kept_at: datetime
    kept_by: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who, when, what, to which thing."""

    id: int
    at: datetime
    person: str
    action: str
    subject_kind: str
    subject_id: str
    subject: str
    details: Mapping[str, Any]
