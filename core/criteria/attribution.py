"""Where people came from, or what made them leave: `attribution`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from core.criteria.comparison import Comparison
from core.criteria.evidence import Condition, Evidence, moment_words, value_words
from core.criteria.measures import Measure, Values
from core.criteria.users import ProfileCriterion
from core.data.values import Mask

if TYPE_CHECKING:
    from core.scope import Scope
    from core.sql import Sql, SqlScope


class Attribution(ProfileCriterion):
    """People by the publisher and campaign of their latest install or uninstall attribution, whatever its age."""

    GROUP = "Attribution"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"type": "attribution", "event": name.split()[0].lower()}
        for name in ("Install attribution", "Uninstall attribution")
    }
    TEMPLATE = "have an {event} attribution\nwhose publisher {publisher}\nwhose campaign {campaign}\nin {workspace}"

    type: Literal["attribution"]
    event: Literal["install", "uninstall"]
    publisher: Comparison | None = None
    campaign: Comparison | None = None

    def _spoken_template(self) -> str:
        both = self.publisher is not None and self.campaign is not None
        return self.TEMPLATE.replace("\nwhose campaign", "\nand whose campaign") if both else self.TEMPLATE

    def judge(self, scope: Scope) -> Mask:
        mask = np.ones(scope.size, np.bool_)
        parts = [(name, part) for name, part in (("publisher", self.publisher), ("campaign", self.campaign)) if part]
        for name, part in parts:
            mask &= part.holds(self._part(name, scope), scope)
        return mask if parts else self._part("kept", scope).present()

    def sql(self, to: SqlScope) -> Sql:
        known = self.sql_known("attributions", to, event=self.event)
        columns = ["publisher", "campaign", "deleted"]
        latest = to.latest("attributions", ["time_ms", "source", "arrival"], columns, *known)
        latest = latest.where(to.opposite(to.column("deleted", "r")))
        parts = [(name, part) for name, part in (("publisher", self.publisher), ("campaign", self.campaign)) if part]
        if not parts:
            return to.members(latest.select("mpid"))
        return to.all_of(part.sql_among(latest, to.column(name, "r"), to) for name, part in parts)

    def measure(self, scope: Scope) -> Measure:
        """The publisher of the latest attribution (the campaign where only that is compared)."""
        return self._part("campaign" if self.campaign and not self.publisher else "publisher", scope)

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """Publisher and campaign of the latest attribution, each with what is asked of it."""
        log = scope.snapshot.attributions(self.reads(scope), self.event)
        parts = {name: self._part(name, scope).at(profile) for name in ("publisher", "campaign")}
        found = f"no {self.event} attribution"
        if self._part("kept", scope).present()[profile]:
            latest = log.latest(scope.known_ms, scope.size)
            named = ", ".join(f"{name} {value_words(value)}" for name, value in parts.items() if value is not None)
            found = (
                f"{named or 'an attribution without names'}, since {moment_words(int(log.time_ms[latest[profile]]))}"
            )
        conditions = []
        for name, part in (("publisher", self.publisher), ("campaign", self.campaign)):
            if part is not None:
                holds = bool(part.holds(self._part(name, scope), scope)[profile])
                conditions.append(Condition(f"{name} {part.matcher.words}", holds))
        asked = " and ".join(each.text for each in conditions) or f"any {self.event} attribution"
        return Evidence(f"{found}; asked: {asked}", scope.measure(self).at(profile), (), tuple(conditions))

    def _part(self, name: str, scope: Scope) -> Values:
        """The publisher or the campaign; `kept` is there where an attribution is."""
        return Values(scope.state(scope.snapshot.attributions(self.reads(scope), self.event), name))
