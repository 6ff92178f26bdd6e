"""Saved audiences: created, edited, activated, paused, cloned, tagged, shared, deleted. Definitions are versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, cast

from sqlalchemy import delete
from sqlmodel import Session, col, select

from core.audience import Audience, Checkable
from core.errors import DefinitionError, EditConflict, NestingError, NotFound, RegistryError
from core.registry import listing, nesting
from core.registry.access import acting, locked, owned, visible
from core.registry.audit import record
from core.registry.calculations import Calculations
from core.registry.database import Database
from core.registry.people import add_under_id, names
from core.registry.rows import (
    AccountRow,
    AudienceRow,
    AuditRow,
    CalculationRow,
    DraftRow,
    NestingRow,
    PersonRow,
    ShareRow,
    TagRow,
    VersionRow,
)
from core.registry.values import ACCESSES, Access, Account, AudienceSummary, Person, SavedAudience, Status

TAG_LENGTH: Final = 18
"""The most characters of a tag."""


class Audiences:
    """The audiences of an account and those that others share with it. Every change names who makes it and when."""

    def __init__(self, database: Database, calculations: Calculations) -> None:
        self._database, self._calculations = database, calculations

    # -- reading ---------------------------------------------------------------------------------------------------

    def list(
        self,
        by: Person,
        at: datetime,
        *,
        search: str = "",
        tags: Collection[str] = (),
        statuses: Collection[Status] = (),
    ) -> tuple[AudienceSummary, ...]:
        """The rows of the list, changed last first. `tags`: with all of them; `search`: in name, id or a tag."""
        with self._database.reading() as session:
            person = acting(session, by)
            return listing.summaries(session, person, at, search=search, tags=tags, statuses=statuses)

    def get(self, audience_id: str, by: Person) -> SavedAudience:
        """One audience with its definitions. NotFound also for one that the person may not see."""
        with self._database.reading() as session:
            person = acting(session, by)
            row, access = visible(session, person, audience_id)
            return _saved(session, row, access)

    def tags(self, by: Person) -> dict[str, int]:
        """Every tag in use with how many audiences have it, by name."""
        with self._database.reading() as session:
            return listing.tags(session, acting(session, by))

    def named_by(self, audience: Audience, by: Person) -> dict[str, Audience]:
        """The definitions in force of the audiences that one names, for `evaluate(..., audiences=)`; those that are
        not there, or that the person may not see, are left out."""
        return self.definitions(by, audience.named_audiences)

    def definitions(self, by: Person, ids: Collection[str] | None = None) -> dict[str, Audience]:
        """The definitions in force by id, of `ids` or of all that the person may see."""
        with self._database.reading() as session:
            person = acting(session, by)
            rows = listing.visible_rows(session, person)
            return {row.id: nesting.in_force(session, row) for row in rows if ids is None or row.id in ids}

    def naming(self, audience_id: str, by: Person) -> dict[str, str]:
        """The names, by id, of the audiences in which one is nested."""
        with self._database.reading() as session:
            visible(session, acting(session, by), audience_id)
            return nesting.naming(session, audience_id)

    # -- editing ---------------------------------------------------------------------------------------------------

    def create(
        self,
        audience: Audience,
        *,
        by: Person,
        at: datetime,
        tags: Iterable[str] = (),
        audience_id: str | None = None,
    ) -> SavedAudience:
        """Keep a new audience as a draft, under an id made of its name or the given free one."""
        with self._database.writing() as session:
            return self._create(session, acting(session, by, "audiences"), audience, at, tags, audience_id, "created")

    def save(
        self, audience_id: str, audience: Audience, *, by: Person, at: datetime, seen: int, note: str = ""
    ) -> SavedAudience:
        """Keep a new version as draft; what is in force stays. `seen` is the version that the edit began with:
        EditConflict where somebody has saved since. The same definition again is no new version."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id, audience.named_audiences)
            self._save(session, person, row, audience, at, seen, note)
            return _saved(session, row, None)

    def activate(
        self,
        audience_id: str,
        *,
        by: Person,
        at: datetime,
        seen: int,
        audience: Audience | None = None,
        dataset: Checkable | None = None,
    ) -> SavedAudience:
        """Put a definition in force (`audience`, saved first; else the newest version) and ask for its calculation.

        DefinitionError where it cannot be evaluated in `dataset`; EditConflict as for `save`. It also resumes.
        """
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id, () if audience is None else audience.named_audiences)
            if audience is None:
                _seen(session, row, seen)
                chosen = nesting.document(session, row.id, row.version)
            else:
                chosen = audience
                self._save(session, person, row, audience, at, seen, "")
            if dataset is not None:
                problems = chosen.check(dataset, nesting.named_by(session, chosen)).problems
                if problems:
                    raise DefinitionError(problems)
            row.state, row.active_version, row.error = "active", row.version, None
            _touch(row, person, at)
            nesting.remember(session, row, [chosen])
            self._calculations.add(session, row, "activated", person.id, at)
            record(session, person, at, "activated", "audience", row.id, row.name, version=row.version)
            session.flush()
            return _saved(session, row, None)

    def pause(self, audience_id: str, *, by: Person, at: datetime) -> SavedAudience:
        """Stop calculating it; its last membership stays. RegistryError for a draft."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id)
            if row.state == "draft":
                raise RegistryError(f"{row.name!r} is a draft: there is nothing to pause.", "Activate it first.")
            row.state = "paused"
            _touch(row, person, at)
            self._calculations.stop(session, row.id, at)
            record(session, person, at, "paused", "audience", row.id, row.name)
            session.flush()
            return _saved(session, row, None)

    def clone(self, audience_id: str, *, by: Person, at: datetime, name: str | None = None) -> SavedAudience:
        """A draft in the person's account with the newest definition and the tags of one that the person can see."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row, _ = visible(session, person, audience_id)
            original = nesting.document(session, row.id, row.version)
            copied = Audience.from_dict({**original.to_dict(), "name": name or f"Copy of {original.name}"[:100]})
            tags = session.exec(select(TagRow.tag).where(col(TagRow.audience_id) == row.id)).all()
            return self._create(session, person, copied, at, tags, None, "cloned", of=row.id)

    def tag(
        self, ids: Iterable[str], *, by: Person, at: datetime, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Add and remove tags of some audiences, all or none. RegistryError for a tag of more than 18 characters."""
        added, removed = [_tag(each) for each in add], [_tag(each) for each in remove]
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            wanted = sorted(set(ids))
            for audience_id in wanted:
                row = owned(session, person, audience_id, wanted)
                _untag(session, row.id, [each.casefold() for each in removed])
                _add_tags(session, row.id, added)
                _touch(row, person, at)
                record(session, person, at, "tagged", "audience", row.id, row.name, added=added, removed=removed)

    def delete(self, audience_id: str, *, by: Person, at: datetime) -> None:
        """Delete it with its versions, calculations and memberships. NestingError names those that hold it nested."""
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id)
            users = nesting.naming(session, row.id)
            if users:
                raise NestingError(
                    f"{row.name!r} is nested in {', '.join(map(repr, users.values()))}.",
                    "Remove it from their criteria first.",
                    users,
                )
            files = session.exec(
                select(CalculationRow.membership).where(
                    col(CalculationRow.audience_id) == row.id, col(CalculationRow.membership).is_not(None)
                )
            ).all()
            session.exec(delete(DraftRow).where(col(DraftRow.key) == row.id))
            session.exec(delete(AudienceRow).where(col(AudienceRow.id) == row.id))
            record(session, person, at, "deleted", "audience", row.id, row.name)
        self._calculations.files.remove(filter(None, files))

    # -- sharing ---------------------------------------------------------------------------------------------------

    def shares(self, audience_id: str, by: Person) -> dict[Account, Access]:
        """Which accounts received it, and what they may do."""
        with self._database.reading() as session:
            row = owned(session, acting(session, by), audience_id)
            asked = select(AccountRow, ShareRow.access).where(
                col(ShareRow.audience_id) == row.id, col(ShareRow.account_id) == col(AccountRow.id)
            )
            return {Account(each.id, each.name): cast(Access, access) for each, access in session.exec(asked)}

    def share(self, audience_id: str, account_id: str, access: Access, *, by: Person, at: datetime) -> None:
        """Let another account see it (view_only), or use it (usable); private takes it back.

        NestingError where an audience of that account names it and would no longer be able to.
        """
        if access not in ACCESSES:
            raise RegistryError(f"{access!r} is no access level.", f"Levels are {', '.join(ACCESSES)}.")
        with self._database.writing() as session:
            person = acting(session, by, "audiences")
            row = owned(session, person, audience_id)
            account = session.get(AccountRow, account_id)
            if account is None or account.id == row.account_id:
                raise NotFound(f"There is no other account {account_id!r}.", "Choose one of the accounts.")
            if access != "usable":
                _not_named_in(session, row, account)
            session.exec(
                delete(ShareRow).where(col(ShareRow.audience_id) == row.id, col(ShareRow.account_id) == account_id)
            )
            if access != "private":
                session.add(ShareRow(audience_id=row.id, account_id=account_id, access=access))
            _touch(row, person, at)
            record(session, person, at, "shared", "audience", row.id, row.name, account=account.name, access=access)

    # -- within a transaction --------------------------------------------------------------------------------------

    def _create(
        self,
        session: Session,
        person: PersonRow,
        audience: Audience,
        at: datetime,
        tags: Iterable[str],
        wanted: str | None,
        action: str,
        **details: str,
    ) -> SavedAudience:
        locked(session, *audience.named_audiences)
        nesting.guard(session, person, wanted or "", audience)

        def row(free: str) -> AudienceRow:
            return AudienceRow(
                id=free,
                account_id=person.account_id,
                name=audience.name,
                external_name=audience.external_name,
                workspaces=list(audience.workspaces),
                state="draft",
                version=1,
                created_at=at,
                created_by=person.id,
                updated_at=at,
                updated_by=person.id,
                saved_at=at,
                saved_by=person.id,
                sparkline=[],
            )

        if wanted is None:
            audience_id = add_under_id(session, audience.name, row, lambda free: _was_used(session, free))
        elif session.get(AudienceRow, wanted) is not None:
            raise RegistryError(f"There is an audience {wanted!r} already.", "Choose another id.")
        else:
            audience_id = wanted
            session.add(row(wanted))
            session.flush()
        made = session.get(AudienceRow, audience_id)
        assert made is not None
        _add_version(session, made, person, audience, at, "")
        nesting.remember(session, made, [audience])
        _add_tags(session, audience_id, [_tag(each) for each in tags])
        record(session, person, at, action, "audience", audience_id, audience.name, **details)
        session.flush()
        return _saved(session, made, None)

    def _save(
        self,
        session: Session,
        person: PersonRow,
        row: AudienceRow,
        audience: Audience,
        at: datetime,
        seen: int,
        note: str,
    ) -> None:
        _seen(session, row, seen)
        if nesting.document(session, row.id, row.version) == audience:
            return
        nesting.guard(session, person, row.id, audience)
        row.version += 1
        row.name, row.external_name, row.workspaces = audience.name, audience.external_name, list(audience.workspaces)
        row.saved_at, row.saved_by = at, person.id
        if row.last_calculation is None:
            row.estimate = None
        _touch(row, person, at)
        _add_version(session, row, person, audience, at, note)
        nesting.remember(session, row, [audience, nesting.in_force(session, row)])
        record(session, person, at, "saved", "audience", row.id, row.name, version=row.version)


def _seen(session: Session, row: AudienceRow, seen: int) -> None:
    if row.version != seen:
        who = names(session).get(row.saved_by, row.saved_by)
        raise EditConflict(row.name, by=who, at=row.saved_at, version=row.version)


def _touch(row: AudienceRow, person: PersonRow, at: datetime) -> None:
    row.updated_at, row.updated_by = at, person.id


def _add_version(
    session: Session, row: AudienceRow, person: PersonRow, audience: Audience, at: datetime, note: str
) -> None:
    session.add(
        VersionRow(
            audience_id=row.id,
            number=row.version,
            document=audience.to_dict(),
            saved_at=at,
            saved_by=person.id,
            note=note,
        )
    )
    session.flush()


def _was_used(session: Session, audience_id: str) -> bool:
    """Whether links and exports may still speak of a deleted audience of that id."""
    asked = select(AuditRow.id).where(col(AuditRow.subject_kind) == "audience", col(AuditRow.subject_id) == audience_id)
    return session.exec(asked.limit(1)).first() is not None


def _not_named_in(session: Session, row: AudienceRow, account: AccountRow) -> None:
    asked = (
        select(AudienceRow.id, AudienceRow.name)
        .join(NestingRow, col(NestingRow.audience_id) == col(AudienceRow.id))
        .where(col(NestingRow.named_id) == row.id, col(AudienceRow.account_id) == account.id)
    )
    users = dict(session.exec(asked).all())
    if users:
        raise NestingError(
            f"{row.name!r} is nested in {', '.join(map(repr, users.values()))} of {account.name}.",
            "It stays usable for that account until they remove it.",
            users,
        )


def _tag(text: str) -> str:
    tag = " ".join(text.split())
    if not tag:
        raise RegistryError("A tag is empty.", "Write 1 to 18 characters.")
    if len(tag) > TAG_LENGTH:
        raise RegistryError(f"The tag {tag!r} has {len(tag)} characters.", f"At most {TAG_LENGTH} are possible.")
    return tag


def _untag(session: Session, audience_id: str, folded: Iterable[str]) -> None:
    session.exec(delete(TagRow).where(col(TagRow.audience_id) == audience_id, col(TagRow.folded).in_(list(folded))))


def _add_tags(session: Session, audience_id: str, tags: Iterable[str]) -> None:
    for tag in tags:
        if session.get(TagRow, (audience_id, tag.casefold())) is None:
            session.add(TagRow(audience_id=audience_id, folded=tag.casefold(), tag=tag))
            session.flush()


def _saved(session: Session, row: AudienceRow, access: Access | None) -> SavedAudience:
    known = names(session)
    account = session.get(AccountRow, row.account_id)
    assert account is not None
    newest = nesting.document(session, row.id, row.version)
    tags = session.exec(select(TagRow.tag).where(col(TagRow.audience_id) == row.id).order_by(col(TagRow.folded)))
    shared = session.exec(select(ShareRow.access).where(col(ShareRow.audience_id) == row.id)).all()
    return SavedAudience(
        id=row.id,
        account=Account(account.id, account.name),
        definition=newest,
        version=row.version,
        active_version=row.active_version,
        definition_in_force=newest if row.active_version in (None, row.version) else nesting.in_force(session, row),
        status=listing.status(row.state, row.error, listing.is_calculating(session, row.id)),
        error=row.error,
        tags=tuple(tags),
        access=access or listing.widest(shared),
        own=access is None,
        created_at=row.created_at,
        created_by=known.get(row.created_by, row.created_by),
        saved_at=row.saved_at,
        saved_by=known.get(row.saved_by, row.saved_by),
        updated_at=row.updated_at,
        updated_by=known.get(row.updated_by, row.updated_by),
    )
