"""Settings of the data with the roles and the log of the registry: tiers, calculated attributes, inputs, retention.

The settings themselves live in the dataset (a notebook needs no registry). Here stands who may change them, what in
the saved audiences stands in the way, and the entry in the audit log, which follows the change.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlmodel import Session, select

from core.account import InputKind
from core.criteria.calculated import calculated_attribute
from core.dataset import Dataset
from core.errors import InUse
from core.registry import nesting
from core.registry.access import acting
from core.registry.audit import record
from core.registry.database import Database
from core.registry.listing import visible_rows
from core.registry.rows import AudienceRow
from core.registry.values import Person
from core.uses import Use, uses_of, uses_of_calculated

Tier = Literal["personalize", "preserve", "connect"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
Users = dict[str, set[Use]]
"""What is shown of each definition, and what it refers to."""


class DataSettings:
    """Settings of an account's dataset. Only an Admin changes them; nothing that is used is taken away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self, dataset: Dataset, by: Person) -> Users:
        """What refers to names of the data: the audiences that the person can see, and calculated attributes."""
        with self._database.reading() as session:
            found = _audiences(session, visible_rows(session, acting(session, by)))
        return found | _calculated(dataset)

    def set_tier(
        self, dataset: Dataset, *, workspace: str, kind: str, name: str | None, tier: Tier, by: Person, at: datetime
    ) -> None:
        """Set the tier of an event. InUse names what stands in the way of leaving Personalize."""
        users = self._everything(by)
        if tier != "personalize":
            used = [
                owner
                for owner, uses in (users | _calculated(dataset)).items()
                if any(_is_event(use, workspace, kind, name) for use in uses)
            ]
            _refuse(used, f"The event {name or kind!r}", "Change their definitions first.")
        dataset.set_event_tier(kind=kind, name=name, tier=tier, workspace=workspace)
        self._log(by, at, "changed", "event", f"{workspace}/{kind}/{name or ''}", name or kind, tier=tier)

    def define(self, dataset: Dataset, definition: dict[str, Any], *, workspace: str, by: Person, at: datetime) -> None:
        """Define a calculated attribute, or define one anew. Raises DefinitionError; InUse for another type of result
        than audiences that use it compare."""
        users = self._everything(by)
        parsed = calculated_attribute(definition)
        known = (
            dataset.workspaces[workspace].calculated_attributes.get(parsed.name)
            if workspace in dataset.workspaces
            else None
        )
        if known is not None and calculated_attribute(known).result_type != parsed.result_type:
            _refuse(
                _naming(users, workspace, parsed.name), f"The calculated attribute {parsed.name!r}", "Use another name."
            )
        dataset.add_calculated_attribute(definition, workspace=workspace)
        action = "created" if known is None else "changed"
        self._log(by, at, action, "calculated attribute", f"{workspace}/{parsed.name}", parsed.name)

    def remove(self, dataset: Dataset, name: str, *, workspace: str, by: Person, at: datetime) -> None:
        """Remove a calculated attribute. InUse names the audiences that compare it."""
        used = _naming(self._everything(by), workspace, name)
        _refuse(used, f"The calculated attribute {name!r}", "Remove it from their criteria first.")
        dataset.remove_calculated_attribute(name, workspace=workspace)
        self._log(by, at, "deleted", "calculated attribute", f"{workspace}/{name}", name)

    def add_input(
        self, dataset: Dataset, *, workspace: str, input: str, kind: InputKind, by: Person, at: datetime
    ) -> None:
        """Register an input, and its workspace where it is new; DatasetError for an impossible name."""
        self._everything(by)
        dataset.add_input(workspace, input, kind)
        self._log(by, at, "created", "input", f"{workspace}/{input}", f"{workspace}/{input}", input_kind=kind)

    def set_retention(self, dataset: Dataset, days: float | None, *, by: Person, at: datetime) -> None:
        """After how many days without activity a profile leaves the universe; None: never."""
        self._everything(by)
        dataset.profile_retention_days = days
        self._log(by, at, "changed", "setting", "retention", "profile retention", days=days)

    def _everything(self, by: Person) -> Users:
        """What every saved audience refers to, also those that the person cannot see. NotAllowed: no Admin."""
        with self._database.reading() as session:
            acting(session, by, "admin")
            return _audiences(session, session.exec(select(AudienceRow)).all())

    def _log(self, by: Person, at: datetime, action: str, kind: str, subject: str, name: str, **details: Any) -> None:
        with self._database.writing() as session:
            record(session, acting(session, by, "admin"), at, action, kind, subject, name, **details)


def _audiences(session: Session, rows: Iterable[AudienceRow]) -> Users:
    """By name, what the newest definition and the one in force refer to."""
    found: Users = {}
    for row in rows:
        for number in {row.version, row.active_version or row.version}:
            found.setdefault(row.name, set()).update(uses_of(nesting.document(session, row.id, number)))
    return found


def _calculated(dataset: Dataset) -> Users:
    return {
        f"{name} (calculated attribute)": uses_of_calculated(calculated_attribute(definition), workspace)
        for workspace, settings in dataset.workspaces.items()
        for name, definition in settings.calculated_attributes.items()
    }


def _is_event(use: Use, workspace: str, kind: str, name: str | None) -> bool:
    return use.source == "events" and use.event == (kind, name) and workspace in use.workspaces


def _naming(users: Users, workspace: str, name: str) -> list[str]:
    wanted = ("calculated_attributes", name)
    return [
        owner
        for owner, uses in users.items()
        if any((use.source, use.name) == wanted and workspace in use.workspaces for use in uses)
    ]


def _refuse(used: list[str], what: str, way_out: str) -> None:
    if used:
        raise InUse(f"{what} is used by {', '.join(map(repr, used))}.", way_out)
