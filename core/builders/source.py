"""Audiences as Python source: text that rebuilds an equal audience with the builders when it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from core.audience import Audience
from core.builders.operators import Fields
from core.criteria import And, Criterion, Not, Or
from core.criteria.windows import WINDOW_TYPES

WIDTH: Final = 100
_INDENT: Final = "    "


def to_python(audience: Audience) -> str:
    """Python source that makes `audience`."""
    writer = _Writer()
    scope = {
        "name": audience.name,
        "external_name": audience.external_name,
        "workspaces": list(audience.workspaces),
        "inputs": list(audience.inputs) if audience.inputs is not None else None,
        "lookback_days": audience.lookback_days,
    }
    arguments = [writer.node(audience.root, 1)]
    arguments += [f"{key}={_literal(value)}" for key, value in scope.items() if value is not None]
    body = "".join(f"{_INDENT}{argument},\n" for argument in arguments)
    names = ", ".join(sorted({"Audience", *writer.names}))
    imported = f"from core import {names}"
    if len(imported) > WIDTH:
        imported = "from core import (\n" + "".join(f"{_INDENT}{name},\n" for name in names.split(", ")) + ")"
    return f"{imported}\n\naudience = Audience.of(\n{body})\n"


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{_listed(value)}]"
    if isinstance(value, str) and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return ascii(value)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(_literal(value) for value in values)


def _call(name: str, *values: Any, **named: Any) -> str:
    """A call with what is given; named values that are None are left out."""
    given = [_literal(value) for value in values]
    given += [f"{key}={_literal(value)}" for key, value in named.items() if value is not None]
    return f"{name}({', '.join(given)})"


def _method(name: str, *values: Any, **named: Any) -> str:
    return "." + _call(name, *values, **named)


def _length(fields: Fields) -> Fields:
    return {fields["unit"]: fields["amount"]}


def _window(kind: str, fields: Fields) -> str:
    """The method call of a window."""
    match kind:
        case "within_last" | "more_than_ago" | "within_next":
            return _method(kind, **_length(fields))
        case "between_ago":
            return _method(kind, fields["from"], fields["to"], fields["unit"])
        case "between_dates":
            return _method(kind, fields["from"], fields["to"])
        case "calendar":
            return _method(kind, fields["unit"], fields["offset"])
    return _method(kind, fields["date"])


def _compared(fields: Fields) -> str:
    """The method call of an operator."""
    operator, value = fields["operator"], fields.get("value")
    if operator in WINDOW_TYPES:
        return _window(operator, fields)
    if isinstance(value, list):
        return _method(operator, *value)
    return _method(operator) if value is None else _method(operator, value)


def _when(fields: Fields) -> list[str]:
    return [_window(fields["when"]["type"], fields["when"])] if "when" in fields else []


def _workspace(fields: Fields) -> list[str]:
    return [_method("in_workspace", fields["workspace"])] if "workspace" in fields else []


class _Writer:
    """Writes nodes as calls and remembers the names that they use."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def node(self, node: Criterion, depth: int) -> str:
        """A node at an indentation of `depth`; what is long goes over several lines, inside brackets."""
        if isinstance(node, Not):
            inside = self.node(node.criterion, depth)
            return f"~({inside})" if self._joins(node.criterion) else f"~{inside}"
        if isinstance(node, And | Or):
            return self._group(node, depth)
        fields = node.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        head, *calls = _LEAVES[node.kind_of_node](self, fields)
        line = head + "".join(calls)
        if len(line) + len(_INDENT) * depth <= WIDTH:
            return line
        return head + "".join(f"\n{_INDENT * (depth + 1)}{call}" for call in calls)

    @staticmethod
    def _joins(node: Criterion) -> bool:
        """Whether it is written with `&` or `|`: those make one group of a group inside a group of its kind."""
        return isinstance(node, And | Or) and len(node.criteria) > 1 and type(node) not in map(type, node.criteria)

    def _group(self, node: And | Or, depth: int) -> str:
        joins = self._joins(node)
        below = [self._inside(child, joins, depth + 1) for child in node.criteria]
        if joins:
            sign = " & " if isinstance(node, And) else " | "
            line, broken = sign.join(below), f"\n{_INDENT * depth}{sign.strip()} ".join(below)
        else:
            name = self._used(type(node).__name__)
            line = f"{name}.of({', '.join(below)})"
            lines = "".join(f"\n{_INDENT * (depth + 1)}{each}," for each in below)
            broken = f"{name}.of({lines}\n{_INDENT * depth})"
        return line if "\n" not in line and len(line) + len(_INDENT) * depth <= WIDTH else broken

    def _inside(self, child: Criterion, joined: bool, depth: int) -> str:
        text = self.node(child, depth)
        if not (joined and self._joins(child)):
            return text
        return f"(\n{_INDENT * depth}{text}\n{_INDENT * (depth - 1)})" if "\n" in text else f"({text})"

    def _used(self, name: str) -> str:
        self.names.add(name)
        return name

    def call(self, name: str, *values: Any, **named: Any) -> str:
        """A call of a builder."""
        return _call(self._used(name), *values, **named)

    def reference(self, name: Fields, value_type: str | None) -> str:
        """`attribute(...)`, `field(...)` or `product(...)` of one of them."""
        if "product" in name:
            inside = self.reference(name["product"], value_type)
            return f"{self._used('product')}({inside})"
        kind = "field" if "field" in name else "attribute"
        return self.call(kind, name[kind], value_type=value_type)

    def condition(self, entry: Fields) -> str:
        """An entry of `where`."""
        for key in ("any_of", "none_of"):
            if key in entry:
                return f"{self._used(key)}({', '.join(self.condition(each) for each in entry[key])})"
        return self.reference(entry, entry.get("value_type")) + _compared(entry)

    def conditions(self, fields: Fields, key: str) -> list[str]:
        """`.where(...)` or `.where_product(...)`, where there is any."""
        entries = [self.condition(entry) for entry in fields.get(key, ())]
        return [f".{key}({', '.join(entries)})"] if entries else []

    def event(self, fields: Fields) -> list[str]:
        """An event: head, then one method call each."""
        kind = fields["kind"]
        given = [fields["name"]] if "name" in fields else []
        calls = [
            self.call("event", *given, kind=None if kind == "custom" else kind, custom_type=fields.get("custom_type")),
            *self.conditions(fields, "where"),
            *self.conditions(fields, "where_product"),
        ]
        if "inputs" in fields:
            calls.append(_method("through", *fields["inputs"]))
        return calls + _counted(fields) + self._aggregated(fields) + _when(fields)

    def _aggregated(self, fields: Fields) -> list[str]:
        if "aggregate" not in fields:
            return []
        aggregate = fields["aggregate"]
        of = self.reference(aggregate["of"], aggregate.get("value_type"))
        return [f".{aggregate['function']}({of}){_compared(aggregate)}"]

    def sequence(self, fields: Fields) -> list[str]:
        """A sequence."""
        steps = ["".join(self.event(step)) for step in fields["steps"]]
        within = [_method("within", **_length(fields["within"]))] if "within" in fields else []
        return [f"{self._used('sequence')}({', '.join(steps)})", *within, *_when(fields)]

    def cart_abandonment(self, fields: Fields) -> list[str]:
        """A cart abandonment."""
        head = self.call("cart_abandonment", **_length(fields["wait"]))
        return [head, *self.conditions(fields, "where_product"), *_when(fields)]

    def compared(self, fields: Fields) -> list[str]:
        """A profile's value with its operator."""
        named = next(fields[key] for key in ("attribute", "name", "field", "identity_type") if key in fields)
        head = self.call(fields["type"], named, value_type=fields.get("value_type"))
        return [head, *_workspace(fields), _compared(fields)]

    def seen(self, fields: Fields) -> list[str]:
        """first_seen or last_seen."""
        return [self.call(fields["type"]), *_workspace(fields), *_when(fields)]

    def consent(self, fields: Fields) -> list[str]:
        """A consent state."""
        purpose = [fields["purpose"]] if "purpose" in fields else []
        head = self.call("consent", fields["regulation"], *purpose)
        return [head, *_workspace(fields), _method(fields["state"])]

    def location(self, fields: Fields) -> list[str]:
        """A place."""
        near = [fields["distance"], fields["unit"]] if fields["operator"] == "within" else []
        parts = ("city", "state", "zip", "dma", "country", "latitude", "longitude")
        named = {key: fields[key] for key in parts if key in fields}
        return [self.call("location"), *_workspace(fields), _method(fields["operator"], *near, **named)]

    def attribution(self, fields: Fields) -> list[str]:
        """An attribution with its parts."""
        calls = [self.call("attribution", fields["event"]), *_workspace(fields)]
        for part in ("publisher", "campaign"):
            if part in fields:
                forced = fields[part].get("value_type")
                calls.append(f".{part}{_method('as_type', forced) if forced else ''}{_compared(fields[part])}")
        return calls

    def membership(self, fields: Fields) -> list[str]:
        """A membership in another audience."""
        others = ["not_in"] if fields["operator"] == "not_in" else []
        return [self.call("audience_membership", fields["audience"], *others)]


def _counted(fields: Fields) -> list[str]:
    if "frequency" not in fields:
        return []
    frequency = {"operator": "greater_than", "value": 0, "count": "events", **fields["frequency"]}
    days = [".on_days()"] if frequency["count"] == "days" else []
    if days and fields["frequency"].keys() == {"count"}:
        return days
    return [_compared(frequency), *days]


_LEAVES: Final[dict[str, Callable[[_Writer, Fields], list[str]]]] = {
    "event": _Writer.event,
    "sequence": _Writer.sequence,
    "cart_abandonment": _Writer.cart_abandonment,
    "user_attribute": _Writer.compared,
    "calculated_attribute": _Writer.compared,
    "device": _Writer.compared,
    "identity": _Writer.compared,
    "first_seen": _Writer.seen,
    "last_seen": _Writer.seen,
    "consent": _Writer.consent,
    "location": _Writer.location,
    "attribution": _Writer.attribution,
    "audience_membership": _Writer.membership,
}
