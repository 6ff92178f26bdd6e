"""What forms ask of their surroundings: names, values and types of the data, and where an edit goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core import Problem
from core.suggest import Event, Suggestion
from workbench.builder.tree import Change, Place
from workbench.controls import Lookup

ANY: Event = ("any", None)
UNCHOSEN = "is not chosen yet."
"""How the problem of an empty field ends."""


@dataclass(frozen=True)
class Asking:
    """What a form asks of its surroundings."""

    names: Callable[[str, Event], list[Suggestion]]
    """The names of a list, for the events that are looked at."""
    values: Callable[[str, str, Event, str | None], Lookup]
    """The values of a name: catalog kind, name, event, workspace of the criterion."""
    data_type: Callable[[str, str, Event, str | None], str | None]
    """What the values of a name are."""
    edit: Callable[[Place, Change], None]
    """Puts another dictionary in place of one of the document."""
    problems: tuple[Problem, ...]
    now: datetime
    event: Event = ANY
    workspace: str | None = None
