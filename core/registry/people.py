"""Accounts, the people in them and their roles."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final, cast

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.errors import NotFound, RegistryError
from core.registry.access import acting
from core.registry.audit import record
from core.registry.database import Database
from core.registry.rows import AccountRow, PersonRow
from core.registry.values import ROLES, Account, Person, Role

LOCAL: Final = "local"
"""The id of the account, and of the Admin, that are there without any configuration."""


class People:
    """Accounts and persons. Only an Admin changes them, and only in the own account; an account keeps one Admin."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def local(self) -> Person:
        """The local Admin, who is there without configuration."""
        return self.get(LOCAL)

    def get(self, person_id: str) -> Person:
        """A person by id. NotFound."""
        with self._database.reading() as session:
            return person_of(session, _person(session, person_id))

    def list(self, by: Person) -> tuple[Person, ...]:
        """The people of the person's account, by name."""
        with self._database.reading() as session:
            account = acting(session, by).account_id
            rows = session.exec(
                select(PersonRow).where(col(PersonRow.account_id) == account).order_by(col(PersonRow.name))
            )
            return tuple(person_of(session, row) for row in rows)

    def accounts(self) -> tuple[Account, ...]:
        """Every account, by name: those with which an audience can be shared."""
        with self._database.reading() as session:
            rows = session.exec(select(AccountRow).order_by(col(AccountRow.name)))
            return tuple(Account(row.id, row.name) for row in rows)

    def add_account(self, name: str, *, by: Person, at: datetime) -> Account:
        """A new account. RegistryError for an empty name or one that is taken."""
        name = _filled(name, "An account's name")
        with self._database.writing() as session:
            person = acting(session, by, "admin")
            if session.exec(select(AccountRow).where(col(AccountRow.name) == name)).first() is not None:
                raise RegistryError(f"There is an account {name!r} already.", "Choose another name.")
            account_id = add_under_id(session, name, lambda free: AccountRow(id=free, name=name, created_at=at))
            record(session, person, at, "created", "account", account_id, name)
            return Account(account_id, name)

    def add(
        self, name: str, *, email: str | None, role: Role, by: Person, at: datetime, account: Account | None = None
    ) -> Person:
        """A new person, in the Admin's account or another. RegistryError for an e-mail address that is taken."""
        name, email = _filled(name, "A person's name"), (email or "").strip().lower() or None
        _known_role(role)
        with self._database.writing() as session:
            admin = acting(session, by, "admin")
            home = admin.account_id if account is None else account.id
            if session.get(AccountRow, home) is None:
                raise NotFound(f"There is no account {home!r}.")
            _free_email(session, email)
            person_id = add_under_id(
                session,
                name,
                lambda free: PersonRow(id=free, account_id=home, name=name, email=email, role=role, created_at=at),
            )
            record(session, admin, at, "created", "person", person_id, name, role=role)
            return person_of(session, _person(session, person_id))

    def change(
        self, person_id: str, *, by: Person, at: datetime, role: Role | None = None, active: bool | None = None
    ) -> Person:
        """Give another role, or let somebody leave or come back. RegistryError where no Admin would be left."""
        with self._database.writing() as session:
            admin = acting(session, by, "admin")
            row = _person(session, person_id)
            if row.account_id != admin.account_id:
                raise NotFound(f"There is nobody {person_id!r} in your account.")
            if role is not None:
                _known_role(role)
                row.role = role
            row.active = row.active if active is None else active
            session.flush()
            _keeps_an_admin(session, row.account_id)
            record(session, admin, at, "changed", "person", row.id, row.name, role=row.role, active=row.active)
            return person_of(session, row)


def person_of(session: Session, row: PersonRow) -> Person:
    """The value of a row."""
    account = session.get(AccountRow, row.account_id)
    assert account is not None
    return Person(row.id, row.name, row.email, cast(Role, row.role), Account(account.id, account.name), row.active)


def names(session: Session) -> dict[str, str]:
    """Everybody's name by id."""
    return dict(session.exec(select(PersonRow.id, PersonRow.name)).all())


def add_local(session: Session, at: datetime) -> None:
    """The account and the Admin that need no configuration; nothing where they are there."""
    if session.get(AccountRow, LOCAL) is not None:
        return
    try:
        with session.begin_nested():
            session.add(AccountRow(id=LOCAL, name="Local", created_at=at))
            session.flush()
            session.add(PersonRow(id=LOCAL, account_id=LOCAL, name="Local user", role="admin", created_at=at))
    except IntegrityError:
        pass  # another process has just opened the new registry too


def add_under_id(
    session: Session, name: str, row: Callable[[str], object], taken: Callable[[str], bool] = lambda _: False
) -> str:
    """Add a row under an id made of its name ("my-name", else "my-name-2", ...) that no other writer has; the id."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "unnamed"
    number, free = 1, stem
    while True:
        if not taken(free):
            try:
                with session.begin_nested():
                    session.add(row(free))
                return free
            except IntegrityError:
                pass  # somebody has taken it: the next number
        number += 1
        free = f"{stem}-{number}"


def _person(session: Session, person_id: str) -> PersonRow:
    row = session.get(PersonRow, person_id)
    if row is None:
        raise NotFound(f"There is nobody {person_id!r}.")
    return row


def _filled(text: str, what: str) -> str:
    if not text.strip() or len(text.strip()) > 100:
        raise RegistryError(f"{what} has 1 to 100 characters.")
    return text.strip()


def _known_role(role: str) -> None:
    if role not in ROLES:
        raise RegistryError(f"{role!r} is no role.", f"Roles are {', '.join(ROLES)}.")


def _free_email(session: Session, email: str | None) -> None:
    taken = email and session.exec(select(PersonRow).where(col(PersonRow.email) == email)).first()
    if taken:
        raise RegistryError(f"{email} is the address of {taken.name} already.")


def _keeps_an_admin(session: Session, account_id: str) -> None:
    admins = select(PersonRow).where(
        col(PersonRow.account_id) == account_id, col(PersonRow.role) == "admin", col(PersonRow.active)
    )
    if session.exec(admins).first() is None:
        raise RegistryError("An account needs one active Admin.", "Make somebody else Admin first.")
