"""A document of mParticle's audience schema as ours (the words: core.interchange.vocabulary)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.audience import Audience
from core.criteria.places import PARTS
from core.data.schema import DEVICE_FIELDS, VERSION_FIELDS
from core.errors import DefinitionError, InterchangeError, Problem
from core.interchange import grammar
from core.interchange import vocabulary as words
from core.interchange.comparisons import Fields, Unsaid, comparison, length, window
from core.interchange.conditions import Node, Qualified, Remarks, parts_of, property_of, qualified
from core.interchange.vocabulary import Expression


@dataclass(frozen=True)
class Read:
    """An audience of a document, and `notes`: what is worth a look, each with its place in the document."""

    audience: Audience
    notes: tuple[Problem, ...]


def from_mparticle(
    document: Any, *, name: str, workspaces: Sequence[str] = (), external_name: str | None = None
) -> Read:
    """The audience of a document; the schema has no name, and `workspaces` stand where the document names none.

    InterchangeError lists everything that ours cannot say; DefinitionError, everything in which the document is none
    of the schema, or makes no valid audience.
    """
    if problems := grammar.broken(document):
        raise DefinitionError(problems)
    version = document["schema_version"]
    if not re.fullmatch(r"1(\.[0-9]+)*", version):
        hint = f"Known is version 1, up to {words.SCHEMA_VERSION}."
        raise DefinitionError([Problem("schema_version", f"{version!r} is no known version of the schema.", hint)])
    reader = _Reader()
    found, root = reader.whole(document["audience"])
    scope = reader.scope()
    if reader.remarks.unsaid:
        raise InterchangeError(reader.remarks.unsaid)
    named = {"name": name, "external_name": external_name, "workspaces": found or list(workspaces)}
    audience = Audience.from_dict({**named, **scope, "definition": {"version": 1, "root": root}})
    return Read(audience, tuple(reader.remarks.notes))


class _Reader:
    """Reads expressions of sound shape; what cannot be said is remembered, and the rest is read as well."""

    def __init__(self) -> None:
        self.remarks = Remarks()
        self._events: list[Qualified] = []

    def whole(self, expression: Expression) -> tuple[list[str], Node]:
        """The workspaces that the document names, and its root."""
        parts = expression.get("expressions", [])
        if expression["operator"] == "and" and len(parts) == 2:
            seen = words.listed(parts[0])
            if seen and seen[:2] == ("is_in", words.WORKSPACE):
                return list(dict.fromkeys(seen[2])), self.node(parts[1], "audience.expressions[1]")
        return [], self.node(expression, "audience")

    def node(self, expression: Expression, at: str) -> Node:
        """The node of an expression."""
        try:
            if "sequence" in expression:
                return self._sequence(expression["sequence"], at)
            if "expressions" in expression:
                return self._group(expression, at)
            return self._leaf(expression, at)
        except Unsaid as error:
            self.remarks.refuse(at, error)
            return {"type": "or", "criteria": []}  # it only holds the place; the audience is refused

    # --- groups --------------------------------------------------------------------------------------------------

    def _group(self, expression: Expression, at: str) -> Node:
        for one in (self._cart, self._parts_of_one, self._one_comparison):
            if (node := one(expression, at)) is not None:
                return node
        return self._joined(expression, at)

    def _joined(self, expression: Expression, at: str) -> Node:
        below = [self.node(each, f"{at}.expressions[{n}]") for n, each in enumerate(expression["expressions"])]
        return {"type": expression["operator"], "criteria": below}

    @staticmethod
    def _parts_of_one(expression: Expression, at: str) -> Node | None:
        """A location or an attribution of several parts."""
        parts = expression["expressions"]
        models = {words.model_of(words.subject(part)) for part in parts}
        if expression["operator"] != "and" or len(parts) < 2 or len(models) > 1:
            return None
        workspace, model = models.pop()
        make = {words.LOCATION: _location, words.ATTRIBUTION: _attribution}.get(model)
        found = make(parts) if make else None
        return _in_workspace(found, workspace) if found else None

    def _one_comparison(self, expression: Expression, at: str) -> Node | None:
        """A list of texts, or two bounds, of one value."""
        if not words.listed(expression) and not words.bounded(expression):
            return None
        try:
            comparison(expression)
            return self._leaf(expression, at)
        except Unsaid:
            return None  # several criteria, or each part is told by itself

    def _cart(self, expression: Expression, at: str) -> Node | None:
        """Cart abandonment: the latest add to cart is old enough, and no purchase came at or after it."""
        parts = expression["expressions"]
        if expression["operator"] != "and" or len(parts) != 2 or not _is_latest(parts[0].get("left")):
            return None
        added, waited, either = parts[0]["left"], parts[0]["right"], parts[1].get("expressions", [])
        bought: Any = either[1].get("left") if len(either) == 2 else None
        if parts[0]["operator"] != "less_than_equal" or not _is_latest(bought) or not isinstance(waited, dict):
            return None
        never = {**bought, "operator": "count", "operand": {"model": words.EVENTS}}
        after = [words.binary("equals", never, 0), words.binary("less_than", bought, added)]
        if parts[1] != words.group("or", after) or "relative" not in waited.get("date", {}):
            return None
        remarks = Remarks()
        cart, purchase = (qualified(each.get("condition"), at, remarks) for each in (added, bought))
        named = [(each.node.pop("kind"), each.node.pop("name", None)) for each in (cart, purchase)]
        if named != [("ecommerce", "add_to_cart"), ("ecommerce", "purchase")] or purchase.node.keys() != {"type"}:
            return None
        cart.node |= {"type": "cart_abandonment", "wait": length(waited["date"]["relative"], backwards=True)}
        self._events += [cart, purchase]
        self.remarks.unsaid += remarks.unsaid
        return cart.node

    # --- one criterion -------------------------------------------------------------------------------------------

    def _leaf(self, expression: Expression, at: str) -> Node:
        operand = words.subject(expression)
        sides = [expression.get("left"), expression.get("right")]
        audience = next((each for each in sides if isinstance(each, dict) and each.keys() == {"audience"}), None)
        if audience is not None:
            return _membership(expression["operator"], audience["audience"])
        if isinstance(operand, dict) and "group_by_model" in operand:
            return self._aggregate(expression, operand, at)
        if not isinstance(operand, dict) or operand.keys() != {"model", "path"}:
            raise Unsaid("Ours compares a model's path with a value, nothing else.", "Put the path on the left side.")
        workspace, model = words.model_of(operand)
        if model in (words.EVENTS, words.PRODUCTS):
            raise Unsaid(f"Ours counts {model} or aggregates them; a user has no one {operand['path']!r}.", _COUNT)
        if model not in _PROFILES:
            raise Unsaid(
                f"Ours has no model {operand['model']!r}.", f"Known are {', '.join(_PROFILES)}, events, products."
            )
        node, notes = _PROFILES[model](operand["path"], expression)
        self.remarks.note(at, notes)
        return _in_workspace(node, workspace)

    def _aggregate(self, expression: Expression, left: Expression, at: str) -> Node:
        """So many events, an aggregate over them, or a group of users: not, or a group by itself."""
        per, operand, function = left["group_by_model"], left["operand"], left["operator"]
        if per != words.USER:
            raise Unsaid(f"Ours aggregates the events of a user, not of a {per!r}.", "Group by user.")
        if operand == {"model": words.USER} and function == "count":
            return self._users(expression, left, at)
        model = operand.get("model") if isinstance(operand, dict) else None
        if model not in (words.EVENTS, words.PRODUCTS):
            raise Unsaid(f"Ours has no {operand!r} to aggregate.", "It has events and products.")
        found = qualified(left.get("condition"), f"{at}.left.condition", self.remarks, rows=model == words.PRODUCTS)
        self._events.append(found)
        found.node |= _measured(function, operand, comparison(expression)[0])
        return found.node

    def _users(self, expression: Expression, left: Expression, at: str) -> Node:
        inside, place = left.get("condition", words.group("and", [])), f"{at}.left.condition"
        asked = expression["operator"], expression.get("right")
        if asked == ("equals", 0):
            return {"type": "not", "criterion": self.node(inside, place)}
        if asked == ("greater_than", 0):
            return self._joined(inside, place) if "expressions" in inside else self.node(inside, place)
        raise Unsaid("Ours counts a user by `equals 0`, which is not, and by `greater_than 0` only.")

    def _sequence(self, steps: list[Expression], at: str) -> Node:
        if not steps:
            raise Unsaid("A sequence needs a step.")
        node: Node = {"type": "sequence", "steps": []}
        windows = []
        for index, step in enumerate(steps):
            if step["operand"] != words.TIMESTAMP:
                raise Unsaid("A step is an event with its timestamp.", "Its operand is the path timestamp of events.")
            condition, around = _step(step.get("condition"))
            for each in around:
                if (within := _within(each, steps, index)) is not None:
                    node["within"] = within
                else:
                    windows.append(window(each)[0])
            found = qualified(condition, f"{at}.sequence[{index}].condition", self.remarks)
            found.step = True
            self._events.append(found)
            node["steps"].append(found.node)
        if windows:
            if len(windows) < len(steps) or any(each != windows[0] for each in windows):
                raise Unsaid("The window of a sequence bounds every step alike.", "Give each step its own.")
            node["when"] = windows[0]
        return node

    # --- the scope -----------------------------------------------------------------------------------------------

    def scope(self) -> Node:
        """`inputs` and `lookback_days` of the audience, where the conditions of all events end in the same ones."""
        scope: Node = {}
        narrowed = [each for each in self._events if each.reads_inputs]
        lookbacks = [each.lookback for each in self._events]
        if narrowed and narrowed[0].inputs and all(each.inputs == narrowed[0].inputs for each in narrowed):
            scope["inputs"] = narrowed[0].inputs
        if (
            lookbacks
            and lookbacks[0]
            and lookbacks[0]["unit"] == "day"
            and lookbacks.count(lookbacks[0]) == len(lookbacks)
        ):
            scope["lookback_days"] = -lookbacks[0]["offset"]
        for each in self._events:
            self._own(each, scope)
        return scope

    def _own(self, event: Qualified, scope: Node) -> None:
        """What of an event's scope is not the audience's becomes the criterion's own, if it has none."""
        if event.inputs and "inputs" not in scope:
            event.node.setdefault("inputs", event.inputs)
        if event.lookback is None or "lookback_days" in scope:
            return
        if "when" in event.node or event.node["type"] == "cart_abandonment":
            message = "An event has one window, and the whole audience has one lookback."
            self.remarks.refuse(event.at, Unsaid(message, "Give every event the same lookback in days."))
            return
        try:
            event.node["when"] = {"type": "within_last", **length(event.lookback, backwards=True)}
        except Unsaid as error:
            self.remarks.refuse(event.at, error)


_COUNT: Final = "Write a count with group_by_model user, or min, max, sum, avg."


def _in_workspace(node: Node, workspace: str | None) -> Node:
    return node if workspace is None else {**node, "workspace": workspace}


def _membership(operator: str, audience: str) -> Node:
    ours = {"in": "in", "not_in": "not_in", "matches": "in", "not_matches": "not_in"}.get(operator)
    if ours is None:
        raise Unsaid(f"A user is in an audience or not; {operator} says nothing of it.", "Write in or not_in.")
    return {"type": "audience_membership", "audience": audience, "operator": ours}


def _measured(function: str, operand: Expression, fields: Fields) -> Node:
    """`frequency` or `aggregate` of an event node."""
    if function == "count" and operand == {"model": words.EVENTS}:
        default = fields == {"operator": "greater_than", "value": 0}
        return {} if default else {"frequency": fields}
    if function not in words.FUNCTIONS.values():
        raise Unsaid(
            f"Ours has no aggregate {function} of {operand!r}.", "It counts events; it has min, max, sum, avg."
        )
    reference = property_of(operand, operand["model"])
    if reference.get("field") in VERSION_FIELDS:
        fields = {**fields, "value_type": "number"}
    of = {"product": reference} if operand["model"] == words.PRODUCTS else reference
    return {"aggregate": {"function": words.inverse(words.FUNCTIONS)[function], "of": of, **fields}}


def _is_latest(operand: Any) -> bool:
    return (
        isinstance(operand, dict)
        and operand.get("operator") == "max"
        and operand["operand"] == words.TIMESTAMP
        and operand["group_by_model"] == words.USER
    )


def _step(condition: Expression | None) -> tuple[Expression | None, list[Expression]]:
    """The condition of a step itself, and what the sequence says of its timestamp around it."""
    if condition is None or condition["operator"] != "and":
        return condition, []
    parts = parts_of(condition)
    if parts and parts[0]["operator"] == "and" and all(_is_timestamp(part) for part in parts[1:]):
        return parts[0], parts[1:]
    around = [part for part in parts if _is_relative(part)]
    return words.group("and", [part for part in parts if part not in around]), around


def _is_timestamp(part: Expression) -> bool:
    return bool(words.subject(part) == words.TIMESTAMP)


def _is_relative(part: Expression) -> bool:
    right = part.get("right")
    return isinstance(right, dict) and "relative_to" in right.get("date", {}).get("relative", {})


def _within(part: Expression, steps: list[Expression], index: int) -> Node | None:
    """`within` of a sequence: the last step is at most so long after the first."""
    if not _is_relative(part):
        return None
    moved = dict(part["right"]["date"]["relative"])
    first = moved.pop("relative_to") == {"alias": steps[0]["alias"], "path": "timestamp"}
    if part["operator"] != "less_than_equal" or not first or index != len(steps) - 1 or moved["offset"] <= 0:
        hint = "Write it at the last step, as less_than_equal an offset after the first step's timestamp."
        raise Unsaid("Ours measures a sequence from its first step to its last one.", hint)
    return length(moved, backwards=False)


# --- profiles: (path, expression) -> (node, notes) -----------------------------------------------------------------


def _valued(kind: str, key: str) -> Callable[[str, Expression], tuple[Node, list[str]]]:
    """A criterion that names a value and compares it."""

    def make(path: str, expression: Expression) -> tuple[Node, list[str]]:
        fields, notes = comparison(expression, version=kind == "device" and path in VERSION_FIELDS)
        if kind == "device" and path not in DEVICE_FIELDS:
            raise Unsaid(f"Ours has no {path!r} of a device.", f"It has {', '.join(DEVICE_FIELDS)}.")
        return {"type": kind, key: path, **fields}, notes

    return make


def _profile(path: str, expression: Expression) -> tuple[Node, list[str]]:
    if path not in ("first_seen", "last_seen"):
        raise Unsaid(f"Ours has no {path!r} of a profile here.", "It has first_seen and last_seen.")
    when, notes = window(expression)
    return {"type": path, "when": when}, notes


def _consent(path: str, expression: Expression) -> tuple[Node, list[str]]:
    regulation, _, purpose = path.partition(".")
    states = {"gdpr": ("given", "rejected"), "ccpa": ("opted_out", "not_opted_out")}.get(regulation)
    if states is None or not purpose or (regulation == "ccpa" and path != words.DATA_SALE):
        raise Unsaid(f"Ours has no consent {path!r}.", f"It has gdpr.PURPOSE and {words.DATA_SALE}.")
    node = {"type": "consent", "regulation": regulation} | ({"purpose": purpose} if regulation == "gdpr" else {})
    if expression["operator"] == "not_exists":
        return {**node, "state": "no_record"}, []
    if expression["operator"] != "equals" or not isinstance(expression.get("right"), bool):
        raise Unsaid("A consent equals true or false, or does not exist.", "Write equals or not_exists.")
    return {**node, "state": states[0] if expression["right"] else states[1]}, []


def _place(path: str, expression: Expression) -> tuple[Node, list[str]]:
    found = _location([expression])
    if found is None:
        raise Unsaid("A part of a location equals a text, nothing else.", f"The parts are {', '.join(PARTS)}.")
    return found, []


def _location(parts: list[Expression]) -> Node | None:
    found: Node = {"type": "location", "operator": "equals"}
    for part in parts:
        path = words.subject(part)["path"]
        if part["operator"] != "equals" or not isinstance(part.get("right"), str) or path not in PARTS or path in found:
            return None
        found[path] = part["right"]
    return found


def _origin(path: str, expression: Expression) -> tuple[Node, list[str]]:
    if path in ("install", "uninstall") and expression["operator"] == "exists":
        return {"type": "attribution", "event": path}, []
    found = _attribution([expression])
    if found is None:
        hint = "It has install and uninstall, to exist, and their .publisher and .campaign."
        raise Unsaid(f"Ours has no attribution {path!r} here.", hint)
    return found, []


def _attribution(parts: list[Expression]) -> Node | None:
    found: Node = {"type": "attribution"}
    for part in parts:
        event, _, name = words.subject(part)["path"].partition(".")
        if event not in ("install", "uninstall") or name not in ("publisher", "campaign") or name in found:
            return None
        if found.setdefault("event", event) != event:
            return None
        found[name] = comparison(part)[0]
    return found


_PROFILES: Final[dict[str, Callable[[str, Expression], tuple[Node, list[str]]]]] = {
    words.USER: _valued("user_attribute", "attribute"),
    words.CALCULATED: _valued("calculated_attribute", "name"),
    words.IDENTITIES: _valued("identity", "identity_type"),
    words.DEVICES: _valued("device", "field"),
    words.PROFILE: _profile,
    words.CONSENT: _consent,
    words.LOCATION: _place,
    words.ATTRIBUTION: _origin,
}
