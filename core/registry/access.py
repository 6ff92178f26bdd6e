"""Who may do what: the one place that judges roles and access levels. Every service asks it within its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from sqlmodel import Session, col, select

from core.errors import NotAllowed, NotFound
from core.registry.rows import AudienceRow, PersonRow, ShareRow
from core.registry.values import ROLES, Access, Person, Role

_WORDS = {"viewer": "Viewer", "audiences": "Audiences", "admin": "Admin"}


def acting(session: Session, by: Person, role: Role = "viewer") -> PersonRow:
    """The person that acts, as the registry knows it now. NotAllowed without the role."""
    row = session.get(PersonRow, by.id)
    if row is None or not row.active:
        raise NotAllowed(f"{by.name} no longer works here.", "Ask an Admin.")
    if ROLES.index(cast(Role, row.role)) < ROLES.index(role):
        raise NotAllowed(
            f"{row.name} has the role {_WORDS[row.role]}; this needs {_WORDS[role]}.", "Ask an Admin for the role."
        )
    return row


def visible(session: Session, person: PersonRow, audience_id: str) -> tuple[AudienceRow, Access | None]:
    """An audience that the person's account owns (None) or received (its access). NotFound for any other."""
    row = session.get(AudienceRow, audience_id)
    if row is not None and row.account_id == person.account_id:
        return row, None
    share = session.get(ShareRow, (audience_id, person.account_id))
    if row is None or share is None:
        raise NotFound(f"There is no audience {audience_id!r}.", "It may have been deleted; see the list of audiences.")
    return row, cast(Access, share.access)


def owned(session: Session, person: PersonRow, audience_id: str, beside: Iterable[str] = ()) -> AudienceRow:
    """An audience of the person's account, locked as `locked` does. NotFound; NotAllowed for a received one."""
    row, access = visible(session, person, audience_id)
    if access is not None:
        raise NotAllowed(f"{row.name!r} belongs to another account.", "Clone it, and change the clone.")
    found = locked(session, audience_id, *beside).get(audience_id)
    if found is None:
        raise NotFound(f"{audience_id!r} has just been deleted.")
    return found


def locked(session: Session, *ids: str) -> dict[str, AudienceRow]:
    """Audiences as they are now, nobody else's to change until the transaction ends; those that are gone are left out.

    Whoever changes an audience, its jobs or what it names locks it first, several at once in the order of their ids:
    so nobody waits in a circle. SQLite has one writer at a time anyway.
    """
    asked = select(AudienceRow).where(col(AudienceRow.id).in_(sorted(set(ids)))).order_by(col(AudienceRow.id))
    rows = session.exec(asked.with_for_update(key_share=True).execution_options(populate_existing=True))
    return {row.id: row for row in rows}
