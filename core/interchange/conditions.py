"""Conditions on events in mParticle's schema -> event nodes of ours, and the scope that they end in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from core.data.schema import EVENT_KINDS, FIELDS, PRODUCT_FIELDS, USER_BASED_KINDS, VERSION_FIELDS
from core.errors import Problem
from core.interchange import vocabulary as words
from core.interchange.comparisons import Fields, Unsaid, comparison, window
from core.interchange.vocabulary import Expression

Node = dict[str, Any]

_FIELDS: Final = {words.EVENTS: FIELDS, words.PRODUCTS: PRODUCT_FIELDS}


@dataclass
class Qualified:
    """An event node that was read, and the inputs and lookback of the scope in which its condition ends."""

    node: Node
    at: str
    inputs: list[str] | None = None
    lookback: Fields | None = None
    step: bool = False

    @property
    def reads_inputs(self) -> bool:
        """Whether the audience's inputs narrow it: a step of a sequence whatever its kind."""
        return self.step or self.node.get("kind") not in USER_BASED_KINDS


class Remarks:
    """What was found while reading: what ours cannot say, and what is worth a look."""

    def __init__(self) -> None:
        self.unsaid: list[Problem] = []
        self.notes: list[Problem] = []

    def refuse(self, at: str, error: Unsaid) -> None:
        """Remember what cannot be said."""
        self.unsaid.append(Problem(at, error.message, error.hint))

    def note(self, at: str, texts: list[str]) -> None:
        """Remember what is worth a look."""
        self.notes += [Problem(at, text) for text in texts]


def qualified(condition: Expression | None, at: str, remarks: Remarks, *, rows: bool = False) -> Qualified:
    """The event node of a condition. `rows`: conditions on products choose products, not events that have one."""
    found = Qualified({"type": "event", "kind": None}, at)
    joined = condition is not None and condition["operator"] == "and" and "expressions" in condition
    parts = parts_of(condition) if condition is not None else []
    for index, part in enumerate(parts):
        place = f"{at}.expressions[{index}]" if joined else at
        try:
            if not _into_scope(part, found):
                _qualify(part, found.node, place, remarks, rows)
        except Unsaid as error:
            remarks.refuse(place, error)
    named = "name" in found.node or "custom_type" in found.node
    found.node["kind"] = found.node["kind"] or ("custom" if named else "any")
    return found


def parts_of(condition: Expression) -> list[Expression]:
    """The conditions that must all hold."""
    if condition["operator"] != "and" or words.bounded(condition) or "expressions" not in condition:
        return [condition]
    parts: list[Expression] = condition["expressions"]
    return parts


def _into_scope(part: Expression, found: Qualified) -> bool:
    """Whether a part is the scope: a group of the inputs, or of a lone lower bound that moves with now, or both."""
    if part["operator"] != "and" or not part.get("expressions") or found.inputs is not None or found.lookback:
        return False
    inputs, lookback = None, None
    for each in part["expressions"]:
        listed = words.listed(each)
        if listed and listed[:2] == ("is_in", words.INPUT) and inputs is None and lookback is None:
            inputs = list(listed[2])
        elif each["operator"] == "greater_than_equal" and each["left"] == words.TIMESTAMP and lookback is None:
            lookback = each["right"].get("date", {}).get("relative") if isinstance(each["right"], dict) else None
            if lookback is None or lookback.keys() != {"offset", "unit"}:
                return False
        else:
            return False
    found.inputs, found.lookback = inputs, lookback
    return True


def _qualify(part: Expression, node: Node, at: str, remarks: Remarks, rows: bool) -> None:
    """One condition on an event, into its node. Raises Unsaid."""
    subject = words.subject(part)
    path = subject.get("path") if isinstance(subject, dict) and subject.get("model") == words.EVENTS else None
    if path == "kind" and part["operator"] == "exists":
        return
    if path in ("kind", "name", "custom_type"):
        _name(part, path, node)
    elif path == "input":
        listed = words.listed(part) or words.listed(words.group("or", [part]))
        if listed is None or listed[0] != "is_in" or "inputs" in node:
            raise Unsaid("Inputs are asked for by equals, and once.", "Join several by `or`.")
        node["inputs"] = list(listed[2])
    elif path == "timestamp":
        if "when" in node:
            raise Unsaid("An event has one window.", "Write both bounds in one `and`, the lower one first.")
        node["when"], notes = window(part)
        remarks.note(at, notes)
    elif rows and _of_rows(part):
        each_row = part["expressions"] if part["operator"] == "and" else [part]
        node.setdefault("where_product", []).extend(_entry(each, words.PRODUCTS, at, remarks) for each in each_row)
    elif (products := _one_product(part)) is not None:
        if "where_product" in node:
            raise Unsaid("An event has one product that satisfies everything.", "Join the conditions by `and`.")
        node["where_product"] = [_entry(each, words.PRODUCTS, at, remarks) for each in products]
    else:
        node.setdefault("where", []).append(_entry(part, words.EVENTS, at, remarks))


def _of_rows(part: Expression) -> bool:
    """Whether a part chooses products where those are aggregated."""
    models = words.models(part)
    return words.EVENTS not in models and (part["operator"] == "and" or words.PRODUCTS in models)


def _name(part: Expression, path: str, node: Node) -> None:
    value = part.get("right")
    if part["operator"] != "equals" or not isinstance(value, str):
        raise Unsaid(f"The {path} of an event equals a text, nothing else.", "Write a criterion for each.")
    if node.get(path) is not None:
        raise Unsaid(f"The {path} of an event is asked for twice.")
    if path == "kind" and value not in EVENT_KINDS:
        raise Unsaid(f"Ours has no events of kind {value!r}.", f"It has {', '.join(EVENT_KINDS)}.")
    node[path] = value


def _one_product(part: Expression) -> list[Expression] | None:
    """What must hold of one and the same product of an event, if a part asks for one."""
    left = part.get("left")
    if not isinstance(left, dict) or left.get("operand") != {"model": words.PRODUCTS}:
        return None
    if left["group_by_model"] != words.EVENTS or left["operator"] != "count":
        return None
    if (part["operator"], part["right"]) != ("greater_than", 0):
        raise Unsaid("Ours does not count an event's products: one satisfies the conditions, or none.", "Ask for > 0.")
    condition = left.get("condition", words.group("and", []))
    return list(condition["expressions"]) if condition["operator"] == "and" else [condition]


def _entry(part: Expression, model: str, at: str, remarks: Remarks) -> Node:
    """An entry of `where` or `where_product`. Raises Unsaid."""
    left = part.get("left")
    if isinstance(left, dict) and left.get("operand") == {"model": model} and left["group_by_model"] == model:
        key = {("equals", 0): "none_of", ("greater_than", 0): "any_of"}.get((part["operator"], part["right"]))
        if left["operator"] != "count" or key is None or isinstance(part["right"], bool):
            raise Unsaid("Ours counts the rows of a row by `equals 0` and `greater_than 0` only.")
        inside = left.get("condition", words.group("and", []))
        alternatives = inside["expressions"] if inside["operator"] == "or" else [inside]
        return {key: [_entry(each, model, at, remarks) for each in alternatives]}
    if "expressions" in part and not words.listed(part) and not words.bounded(part):
        entries = [_entry(each, model, at, remarks) for each in part["expressions"]]
        # Ours has no "and" inside of a condition: it is not (not a or not b).
        every = {"none_of": [{"none_of": [each]} for each in entries]}
        return {"any_of": entries} if part["operator"] == "or" else every
    reference = property_of(words.subject(part), model)
    fields, notes = comparison(part, version=reference.get("field") in VERSION_FIELDS)
    remarks.note(at, notes)
    return {**reference, **fields}


def property_of(operand: Any, model: str) -> Node:
    """`{"attribute": NAME}` or `{"field": NAME}` of a path of events or products. Raises Unsaid."""
    fields = _FIELDS[model]
    if not isinstance(operand, dict) or operand.keys() != {"model", "path"} or operand["model"] != model:
        raise Unsaid(
            f"Ours compares a path of {model} with a value here.", f"Write it on the left: {words.CUSTOM}NAME."
        )
    path: str = operand["path"]
    if path.startswith(words.CUSTOM):
        return {"attribute": path.removeprefix(words.CUSTOM)}
    if path not in fields:
        raise Unsaid(f"Ours has no {path!r} of {model}.", f"It has {words.CUSTOM}NAME, {', '.join(fields)}.")
    return {"field": path}
