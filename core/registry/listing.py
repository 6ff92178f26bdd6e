"""The rows of the list: a handful of queries over all audiences, whatever their number; no definition is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, func
from sqlalchemy import select as columns
from sqlmodel import Session, col, or_, select

from core.registry.people import names
from core.registry.rows import AccountRow, AudienceRow, CalculationRow, PersonRow, ShareRow, TagRow
from core.registry.values import ACCESSES, Access, Account, AudienceSummary, Size, Status

RECENT: Final = timedelta(hours=24)
"""How far back adds, drops and volatility look."""

_OPEN: Final = ("queued", "running")


def summaries(
    session: Session,
    person: PersonRow,
    at: datetime,
    *,
    search: str,
    tags: Collection[str],
    statuses: Collection[Status],
) -> tuple[AudienceSummary, ...]:
    """What the person's account owns or received, changed last first, filtered."""
    builder = _Builder(session, person, at)
    wanted, folded, text = set(statuses), {each.casefold() for each in tags}, search.casefold().strip()
    found = (builder.summary(row) for row in _rows(session, person))
    return tuple(
        each
        for each in found
        if (not wanted or each.status in wanted)
        and folded <= {tag.casefold() for tag in each.tags}
        and any(text in part.casefold() for part in (each.name, each.id, *each.tags))
    )


def tags(session: Session, person: PersonRow) -> dict[str, int]:
    """Every tag of the account's audiences with how many have it; the spelling that is first in the alphabet."""
    asked = (
        select(func.min(TagRow.tag), func.count())
        .join(AudienceRow, col(AudienceRow.id) == col(TagRow.audience_id))
        .where(_seen_by(person))
        .group_by(col(TagRow.folded))
        .order_by(col(TagRow.folded))
    )
    return dict(session.exec(asked).all())


def visible_rows(session: Session, person: PersonRow) -> Sequence[AudienceRow]:
    """The audiences that the person's account owns or received."""
    return session.exec(select(AudienceRow).where(_seen_by(person))).all()


def status(state: str, error: str | None, calculating: bool) -> Status:
    """The one status of an audience: a draft and a paused one stay that, also while they are calculated on demand."""
    if state != "active":
        return cast(Status, state)
    if calculating:
        return "calculating"
    return "active" if error is None else "error"


def is_calculating(session: Session, audience_id: str) -> bool:
    """Whether a calculation waits or runs."""
    asked = select(CalculationRow.id).where(
        col(CalculationRow.audience_id) == audience_id, col(CalculationRow.state).in_(_OPEN)
    )
    return session.exec(asked.limit(1)).first() is not None


def widest(accesses: Iterable[str]) -> Access:
    """The most that any receiving account may do."""
    return max((cast(Access, each) for each in accesses), key=ACCESSES.index, default="private")


def size(counted: int | None, estimate: dict[str, Any] | None) -> Size:
    """What the last calculation counted, else the estimate."""
    if counted is not None:
        return Size(counted)
    if estimate is None:
        return Size(estimated=True)
    kept = (estimate[each] for each in ("low", "high", "symbol", "reason"))
    return Size(estimate["size"], True, *kept)


def _seen_by(person: PersonRow) -> ColumnElement[bool]:
    received = select(ShareRow.audience_id).where(col(ShareRow.account_id) == person.account_id)
    return or_(col(AudienceRow.account_id) == person.account_id, col(AudienceRow.id).in_(received))


def _rows(session: Session, person: PersonRow) -> Iterable[Any]:
    """The columns of an audience, and `counted`, `calculated_at` and `as_of` of its last calculation. Columns and not
    rows: thousands of objects that are watched for changes would take most of the time."""
    asked = (
        columns(
            *AudienceRow.__table__.columns,  # type: ignore[attr-defined]
            col(CalculationRow.size).label("counted"),
            col(CalculationRow.finished_at).label("calculated_at"),
            col(CalculationRow.now).label("as_of"),
        )
        .join(CalculationRow, col(CalculationRow.id) == col(AudienceRow.last_calculation), isouter=True)
        .where(_seen_by(person))
        .order_by(col(AudienceRow.updated_at).desc(), col(AudienceRow.id))
    )
    return session.connection().execute(asked)


class _Builder:
    """What belongs to audiences but stands in other tables, read once for all of them."""

    def __init__(self, session: Session, person: PersonRow, at: datetime) -> None:
        self.person, self.names = person, names(session)
        self.accounts = {row.id: Account(row.id, row.name) for row in session.exec(select(AccountRow))}
        self.tags = _grouped(
            session.exec(select(TagRow.audience_id, TagRow.tag).order_by(col(TagRow.audience_id), col(TagRow.folded)))
        )
        self.shares: dict[str, dict[str, str]] = defaultdict(dict)
        for share in session.exec(select(ShareRow)):
            self.shares[share.audience_id][share.account_id] = share.access
        jobs = select(CalculationRow.audience_id, CalculationRow.done, CalculationRow.total, CalculationRow.state)
        # The one that runs is read last, so that its progress is told and not that of one that waits behind it.
        self.jobs = {
            audience_id: min(done / total, 1.0) if total else 0.0
            for audience_id, done, total, _ in session.exec(
                jobs.where(col(CalculationRow.state).in_(_OPEN)).order_by(col(CalculationRow.state))
            )
        }
        moved = (
            select(CalculationRow.audience_id, func.sum(CalculationRow.adds), func.sum(CalculationRow.drops))
            .where(
                col(CalculationRow.state) == "done",
                col(CalculationRow.finished_at) > at - RECENT,
                col(CalculationRow.finished_at) <= at,
            )
            .group_by(col(CalculationRow.audience_id))
        )
        self.moved = {
            audience_id: (int(adds or 0), int(drops or 0)) for audience_id, adds, drops in session.exec(moved)
        }

    def summary(self, row: Any) -> AudienceSummary:
        own = row.account_id == self.person.account_id
        shares = self.shares.get(row.id, {})
        counted = size(row.counted, row.estimate)
        adds, drops = self.moved.get(row.id, (0, 0))
        members = 0 if counted.estimated else counted.count
        return AudienceSummary(
            id=row.id,
            name=row.name,
            external_name=row.external_name,
            account=self.accounts[row.account_id],
            workspaces=tuple(row.workspaces),
            status=status(row.state, row.error, row.id in self.jobs),
            progress=self.jobs.get(row.id),
            error=row.error,
            size=counted,
            calculated_at=row.calculated_at,
            as_of=row.as_of,
            adds_24h=adds,
            drops_24h=drops,
            volatility_24h=(adds + drops) / members if members else None,
            sparkline=tuple(each for _, each in row.sparkline),
            tags=tuple(self.tags.get(row.id, ())),
            version=row.version,
            active_version=row.active_version,
            updated_at=row.updated_at,
            updated_by=self.names.get(row.updated_by, row.updated_by),
            created_at=row.created_at,
            created_by=self.names.get(row.created_by, row.created_by),
            access=widest(shares.values()) if own else cast(Access, shares[self.person.account_id]),
            own=own,
        )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found
