"""Memberships between audiences: an audience that others name holds no membership itself (DEFINITION 3.4)."""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import Session, col, select

from core.audience import Audience
from core.errors import NestingError, NotFound
from core.registry.rows import AudienceRow, NestingRow, PersonRow, ShareRow, VersionRow


def guard(session: Session, person: PersonRow, audience_id: str, audience: Audience) -> None:
    """Refuse a definition whose memberships cannot be: of unknown or merely visible audiences, or nested twice.

    The caller has locked the audiences that it names: none of them gets a membership meanwhile. NestingError.
    """
    named = sorted(audience.named_audiences)
    if not named:
        return
    if audience_id in named:
        raise NestingError(f"{audience.name!r} names itself.", "Remove that criterion.", {audience_id: audience.name})
    users = naming(session, audience_id)
    if users:
        raise NestingError(
            f"{audience.name!r} cannot ask for memberships: {_list(users)} {_ask(users)} for its own.",
            "Remove it from their criteria first, or put the membership into a clone.",
            users,
        )
    found = {each: _usable(session, person, each) for each in named}
    nested = dict(
        session.exec(
            select(AudienceRow.id, AudienceRow.name)
            .join(NestingRow, col(NestingRow.audience_id) == col(AudienceRow.id))
            .where(col(AudienceRow.id).in_(found))
        ).all()
    )
    if nested:
        raise NestingError(
            f"{_list(nested)} cannot be named: {'it asks' if len(nested) == 1 else 'they ask'} for memberships.",
            "Name audiences that hold none.",
            nested,
        )


def _usable(session: Session, person: PersonRow, audience_id: str) -> AudienceRow:
    row = session.get(AudienceRow, audience_id)
    if row is not None and row.account_id == person.account_id:
        return row
    share = session.get(ShareRow, (audience_id, person.account_id))
    if row is None or share is None:
        raise NotFound(f"The definition names the audience {audience_id!r}, which is not there.", "Choose another.")
    if share.access != "usable":
        raise NestingError(
            f"{row.name!r} is shared as view only and cannot be named.",
            "Ask its owner to share it as usable, or clone it and name the clone.",
            {row.id: row.name},
        )
    return row


def remember(session: Session, row: AudienceRow, definitions: list[Audience]) -> None:
    """Keep what the newest definition and the one in force name."""
    session.exec(delete(NestingRow).where(col(NestingRow.audience_id) == row.id))
    for named in sorted(frozenset[str]().union(*(each.named_audiences for each in definitions))):
        session.add(NestingRow(audience_id=row.id, named_id=named))
    session.flush()


def naming(session: Session, audience_id: str) -> dict[str, str]:
    """The audiences that name one: their names by id."""
    asked = (
        select(AudienceRow.id, AudienceRow.name)
        .join(NestingRow, col(NestingRow.audience_id) == col(AudienceRow.id))
        .where(col(NestingRow.named_id) == audience_id)
        .order_by(col(AudienceRow.name))
    )
    return dict(session.exec(asked).all())


def document(session: Session, audience_id: str, number: int) -> Audience:
    """One saved definition."""
    row = session.get(VersionRow, (audience_id, number))
    if row is None:
        raise NotFound(f"{audience_id!r} has no version {number}.", "See its versions.")
    return Audience.from_dict(row.document)


def in_force(session: Session, row: AudienceRow) -> Audience:
    """The definition that is calculated and that others name."""
    return document(session, row.id, row.active_version or row.version)


def named_by(session: Session, audience: Audience) -> dict[str, Audience]:
    """The definitions in force of the audiences that one names, by id; those that are gone are left out."""
    rows = session.exec(select(AudienceRow).where(col(AudienceRow.id).in_(sorted(audience.named_audiences)))).all()
    return {row.id: in_force(session, row) for row in rows}


def _list(names: dict[str, str]) -> str:
    quoted = [repr(name) for name in names.values()]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _ask(names: dict[str, str]) -> str:
    return "asks" if len(names) == 1 else "ask"
