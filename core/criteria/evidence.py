"""Evidence: what a criterion found of one profile, and which of its conditions fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.data.values import number_text

LATEST: Final = 5
"""How many of the events that count are told."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a profile: when, through which input, of which kind and name."""

    at: datetime
    workspace: str
    input: str
    kind: str
    name: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {name: getattr(self, name) for name in ("workspace", "input", "kind", "name")}
        return {"at": _iso(self.at), **named}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a criterion; `left`: how many events satisfy it and those before it (None: nothing counts)."""

    text: str
    holds: bool
    left: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"text": self.text, "holds": self.holds, "left": self.left}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind a yes or no.

    `text`: what was found and what is asked. `value`: the number, text, moment or list of texts behind it, None where
    there is none. `events`: the latest few that count. `conditions`: in order; of a criterion that
    does not hold, the first that does not is what failed. `identifying`: `value` says who it is, so pages mask it.
    """

    text: str
    value: Any = None
    events: tuple[Happening, ...] = ()
    conditions: tuple[Condition, ...] = ()
    identifying: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "text": self.text,
            "value": _iso(self.value) if isinstance(self.value, datetime) else self.value,
            "events": [each.to_dict() for each in self.events],
            "conditions": [each.to_dict() for each in self.conditions],
        }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dated(at_ms: int) -> datetime:
    """The moment of UTC milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def moment_words(at_ms: int) -> str:
    """ "3 Sep 2026 12:41 UTC"."""
    moment = dated(at_ms)
    return f"{moment.day} {moment:%b %Y %H:%M} UTC"


def value_words(value: Any) -> str:
    """A value as the texts of evidence show it: “gold”, 12.5, yes, “a” and “b”."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(round(value, 4))
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value) if value else "an empty list"
    return f"“{value}”"


def things(count: int, thing: str) -> str:
    """ "no event", "1 event", "3 events"."""
    return f"{count or 'no'} {thing}" if count <= 1 else f"{count:,} {thing}s"
