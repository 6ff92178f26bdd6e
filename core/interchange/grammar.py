"""The shapes of mParticle's audience schema 1.6: which objects there are, their keys, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from core.errors import Problem

MAX_DEPTH: Final = 1000
"""Objects below each other. A definition of ours with 100 levels needs fewer."""

LOGICAL: Final = ("and", "or")
UNARY: Final = ("null", "not_null", "exists", "not_exists")
BINARY: Final = tuple(
    "equals not_equals less_than less_than_equal greater_than greater_than_equal matches not_matches contains "
    "not_contains starts_with not_starts_with ends_with not_ends_with in not_in".split()
)
AGGREGATES: Final = ("min", "max", "sum", "avg", "list", "count")
UNITS: Final = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class _Shape:
    """An object: for each key, what stands there (the name of a role, a tuple of words, a type, or [role])."""

    keys: dict[str, Any]
    optional: frozenset[str] = frozenset()


_SHAPES: Final[dict[str, tuple[_Shape, ...]]] = {
    "document": (_Shape({"schema_version": str, "audience": "expression"}),),
    "expression": (
        _Shape({"operator": UNARY, "operand": "operand"}),
        _Shape({"operator": BINARY, "left": "operand", "right": "operand"}),
        _Shape({"operator": LOGICAL, "expressions": ["expression"]}),
        _Shape({"operator": ("then",), "sequence": ["step"]}),
    ),
    "step": (_Shape({"alias": str, "operand": "path", "condition": "expression"}, frozenset({"condition"})),),
    "path": (_Shape({"model": str, "path": str}),),
    "operand": (
        _Shape({"model": str, "path": str}),
        _Shape({"alias": str, "path": str}),
        _Shape({"model": str}),
        _Shape({"audience": str}),
        _Shape({"date": "date"}),
        _Shape(
            {"operator": AGGREGATES, "group_by_model": str, "operand": "operand", "condition": "expression"},
            frozenset({"condition"}),
        ),
    ),
    "date": (_Shape({"absolute": str}), _Shape({"relative": "relative"})),
    "relative": (
        _Shape(
            {"offset": float, "unit": UNITS, "boundary": ("start", "end"), "relative_to": "alias"},
            frozenset({"boundary", "relative_to"}),
        ),
    ),
    "alias": (_Shape({"alias": str, "path": str}),),
}


def broken(document: Any) -> list[Problem]:
    """Everything in which a document is none of the schema, each with its place; no recursion, so any depth is told."""
    problems: list[Problem] = []
    todo: list[tuple[Any, Any, str, int]] = [(document, "document", "", 0)]
    while todo:
        value, role, at, depth = todo.pop()
        if depth > MAX_DEPTH:
            return [Problem(_start(at), f"It is nested more than {MAX_DEPTH} levels deep.", "Use fewer groups.")]
        if isinstance(role, list):
            if not isinstance(value, list):
                problems.append(Problem(at, "This must be a list."))
                continue
            todo += [(each, role[0], f"{at}[{index}]", depth) for index, each in enumerate(value)]
        elif isinstance(role, str) and not (role == "operand" and _is_literal(value)):
            shape = _shape(value, role)
            if shape is None:
                problems.append(Problem(at, f"This is no {role} of mParticle's audience schema.", _known(role)))
                continue
            todo += [(value[key], shape.keys[key], f"{at}.{key}".lstrip("."), depth + 1) for key in value]
        elif isinstance(role, tuple) and value not in role:
            problems.append(Problem(at, f"{value!r} is not known here.", f"Known are {', '.join(role)}."))
        elif isinstance(role, type) and not _is_a(value, role):
            problems.append(Problem(at, f"This must be a {'number' if role is float else 'text'}."))
    return sorted(problems, key=lambda problem: problem.path)


def _start(at: str) -> str:
    return at if len(at) <= 80 else f"{at[:80]}..."


def _is_literal(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


def _shape(value: Any, role: str) -> _Shape | None:
    """The shape whose keys a value has."""
    if not isinstance(value, dict):
        return None
    fits = (each for each in _SHAPES[role] if each.keys.keys() - each.optional <= value.keys() <= each.keys.keys())
    return next(fits, None)


def _known(role: str) -> str:
    return f"It has the keys {' or '.join(_listed(role))}."


def _listed(role: str) -> Iterator[str]:
    for shape in _SHAPES[role]:
        yield "{" + ", ".join(f"{key}?" if key in shape.optional else key for key in shape.keys) + "}"
