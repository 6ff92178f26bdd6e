"""What is wrong with an event in its data: inputs that are not the audience's, names that are demoted or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.criteria.predicates import predicates
from core.data.schema import NAMELESS_KINDS
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.events import Event
    from core.criteria.predicates import Predicate, ProductRef, PropertyRef
    from core.scope import Inputs


def event_problems(event: Event, context: Context, path: str, among: Inputs) -> Iterator[Problem]:
    """Inputs that the criterion may not read, and events that are kept out of audiences."""
    chosen, unknown = context.resolve(event.inputs, among)
    for name in unknown:
        yield Problem(path, f"The input {name!r} is not among the audience's.", "Choose one of the audience's inputs.")
    for workspace in sorted({one[0] for one in chosen}):
        tier = context.tier(workspace, event.kind, event.name)
        if (event.name is not None or event.kind in NAMELESS_KINDS) and tier != "personalize":
            yield demoted_problem(path, event.kind, event.name, workspace, tier)


def demoted_problem(path: str, kind: str, name: str | None, workspace: str, tier: str) -> Problem:
    """The problem of naming an event outside of the tier Personalize; of kinds without names the kind is its name."""
    event = f"event {kind}" if name is None else f"{kind} event {name!r}"
    message = f"The {event} is in the tier {tier} in {workspace}, so no criterion can use it."
    return Problem(path, message, "Set its tier to personalize, or choose another event.")


def event_warnings(event: Event, context: Context, path: str) -> Iterator[Problem]:
    """Event names and attributes that the data never held."""
    if event.name is not None and not any(
        context.knows(f"events:{event.kind}", workspace, event.name) for workspace in context.workspaces
    ):
        yield Problem(path, f"The data holds no {event.kind} event named {event.name!r}.", "Nobody has done it.")
    yield from _unseen(event.where, context, f"{path}.where")
    yield from product_warnings(event.where_product, context, path)
    if event.aggregate is not None:
        yield from _unseen_ref(event.aggregate.of, context, path)


def product_warnings(entries: tuple[Any, ...], context: Context, path: str) -> Iterator[Problem]:
    """Attributes of products in the `where_product` of a criterion or step that the data never held."""
    yield from _unseen(entries, context, f"{path}.where_product")


def _unseen(entries: tuple[Any, ...], context: Context, path: str) -> Iterator[Problem]:
    for at, entry in enumerate(entries):
        for predicate in predicates((entry,)):
            yield from _unseen_ref(predicate, context, f"{path}[{at}]")


def _unseen_ref(ref: Predicate | PropertyRef | ProductRef, context: Context, path: str) -> Iterator[Problem]:
    where, name = ref.ref
    if where == "attribute" and not any(
        context.knows(f"{ref.OWNER}_attributes", workspace, name) for workspace in context.workspaces
    ):
        yield Problem(path, f"No {ref.OWNER} has the attribute {name!r}.", "It is missing for everyone.")
