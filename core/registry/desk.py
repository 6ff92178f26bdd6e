"""What people have on their desks: unsaved work, and the table mappings that are remembered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from core.data.mapping import Mapping as TableMapping
from core.errors import NotFound, RegistryError
from core.registry.access import acting
from core.registry.database import Database
from core.registry.people import names
from core.registry.rows import DraftRow, MappingRow
from core.registry.values import Draft, Person, RememberedMapping


class Drafts:
    """Unsaved work: one JSON document a person and key, whatever a page needs to go on after a reload."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str, by: Person) -> Draft | None:
        """What was kept last under a key (an audience's id, or a page's own); None where nothing is."""
        with self._database.reading() as session:
            row = session.get(DraftRow, (acting(session, by).id, key))
            return None if row is None else Draft(row.key, row.document, row.kept_at)

    def list(self, by: Person) -> tuple[Draft, ...]:
        """Everything that the person has not saved, newest first."""
        with self._database.reading() as session:
            asked = select(DraftRow).where(col(DraftRow.person_id) == acting(session, by).id)
            rows = session.exec(asked.order_by(col(DraftRow.kept_at).desc()))
            return tuple(Draft(row.key, row.document, row.kept_at) for row in rows)

    def keep(self, key: str, document: Mapping[str, Any], *, by: Person, at: datetime) -> None:
        """Keep a document in place of the one that is there."""
        with self._database.writing() as session:
            person = acting(session, by)
            session.merge(DraftRow(person_id=person.id, key=key, document=dict(document), kept_at=at))

    def drop(self, key: str, *, by: Person) -> None:
        """Forget a document; nothing where there is none."""
        with self._database.writing() as session:
            person = acting(session, by)
            session.exec(delete(DraftRow).where(col(DraftRow.person_id) == person.id, col(DraftRow.key) == key))


class Mappings:
    """Mappings of tables that were loaded, remembered for the next table with the same columns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, by: Person) -> tuple[RememberedMapping, ...]:
        """Those of the account, newest first."""
        with self._database.reading() as session:
            return tuple(self._of(session, acting(session, by).account_id))

    def for_columns(self, columns: Sequence[str], by: Person) -> RememberedMapping | None:
        """The one kept last for a table with exactly these columns, in any order; None where none is."""
        wanted = _key(columns)
        with self._database.reading() as session:
            found = self._of(session, acting(session, by).account_id)
            return next((each for each in found if _key(each.columns) == wanted), None)

    def keep(
        self, name: str, columns: Sequence[str], mapping: Mapping[str, Any], *, by: Person, at: datetime
    ) -> RememberedMapping:
        """Remember a mapping (DEFINITION 5.1) under a name, in place of the one of that name. InputError if invalid."""
        if not name.strip():
            raise RegistryError("The mapping needs a name.")
        document = TableMapping.from_dict(dict(mapping)).to_dict()
        with self._database.writing() as session:
            person = acting(session, by, "admin")
            row = MappingRow(
                account_id=person.account_id,
                name=name.strip(),
                columns=json.dumps(list(columns), ensure_ascii=False),
                document=document,
                kept_at=at,
                kept_by=person.id,
            )
            return _remembered(session.merge(row), names(session))

    def forget(self, name: str, *, by: Person) -> None:
        """Forget one. NotFound."""
        with self._database.writing() as session:
            row = session.get(MappingRow, (acting(session, by, "admin").account_id, name))
            if row is None:
                raise NotFound(f"There is no mapping {name!r}.")
            session.delete(row)

    def _of(self, session: Session, account_id: str) -> Sequence[RememberedMapping]:
        asked = select(MappingRow).where(col(MappingRow.account_id) == account_id)
        known = names(session)
        return [_remembered(row, known) for row in session.exec(asked.order_by(col(MappingRow.kept_at).desc()))]


def _key(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(columns))


def _remembered(row: MappingRow, known: dict[str, str]) -> RememberedMapping:
    who = known.get(row.kept_by, row.kept_by)
    return RememberedMapping(row.name, tuple(json.loads(row.columns)), row.document, row.kept_at, who)
