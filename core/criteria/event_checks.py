"""What is wrong with an event in its data: inputs that are not the audience's, names that are demoted or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.criteria.predicates import predicates
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.events import Event
    from core.scope import Inputs


def event_problems(event: Event, context: Context, path: str, among: Inputs) -> Iterator[Problem]:
    """Inputs that the criterion may not read, and events that are kept out of audiences."""
    chosen, unknown = context.resolve(event.inputs, among)
    for name in unknown:
        yield Problem(path, f"The input {name!r} is not among the audience's.", "Choose one of the audience's inputs.")
    for workspace in sorted({one[0] for one in chosen}):
        tier = context.known[workspace].tiers.get((event.kind, event.name), "personalize")
        if event.name is not None and tier != "personalize":
            yield demoted_problem(path, event.kind, event.name, workspace, tier)


def demoted_problem(path: str, kind: str, name: str, workspace: str, tier: str) -> Problem:
    """The problem of naming an event outside of the tier Personalize."""
    message = f"The {kind} event {name!r} is in the tier {tier} in {workspace}, so no criterion can use it."
    return Problem(path, message, "Set its tier to personalize, or choose another event.")


def event_warnings(event: Event, context: Context, path: str) -> Iterator[Problem]:
    """Event names and attributes that the data never held."""
    if event.name is not None and not any(
        context.knows(f"events:{event.kind}", workspace, event.name) for workspace in context.workspaces
    ):
        yield Problem(path, f"The data holds no {event.kind} event named {event.name!r}.", "Nobody has done it.")
    for entry in predicates(event.where):
        if entry.attribute is not None and not any(
            context.knows("event_attributes", workspace, entry.attribute) for workspace in context.workspaces
        ):
            yield Problem(path, f"No event has the attribute {entry.attribute!r}.", "It is missing for everyone.")
