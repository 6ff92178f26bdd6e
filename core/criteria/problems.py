"""What pydantic finds wrong in a definition, as problems: in our words, with the path of the nearest node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from core.errors import Problem

_INDEXED: Final = ("criteria", "steps", "where", "where_product")


_WANTED: Final = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "a text",
    "string_unicode": "a text of whole characters, without lone surrogates",
    "tuple_type": "a list",
}
"""What should stand there, in the words of JSON, by pydantic's kinds of errors."""


def problems_of(error: ValidationError, document: Mapping[str, Any]) -> Iterator[Problem]:
    """pydantic's errors about (a part of) a document, each with the path of its nearest node, step or predicate."""
    found = [(*_place(each["loc"], document), each) for each in error.errors()]
    numbers = {(path, key) for path, key, each in found if each["type"] == "float_type"}
    for path, key, each in found:
        if each["type"] == "int_type" and (path, key) in numbers:
            continue  # it may be either
        if each["type"] == "too_short" and each["input"]:
            continue  # its entries are wrong, which is told, not too few
        yield Problem(path, *reason(each, key))


def _place(loc: tuple[int | str, ...], document: Any) -> tuple[str, str]:
    """The path of the nearest node, step or predicate, and the key below it. Union tags in `loc` are no keys."""
    path, key, value, before, closed = "", "", document, "", False
    for part in loc:
        if not _has(value, part):
            continue
        value = value[part]
        if (part in ("root", "criterion") or (part == "event" and isinstance(value, dict))) and not closed:
            path, key = f"{path}.{part}".lstrip("."), ""
        elif isinstance(part, int) and before in _INDEXED and not closed:
            # Alternatives inside a predicate belong to it.
            path, key, closed = f"{path}.{before}[{part}]".lstrip("."), "", before.startswith("where")
        elif isinstance(part, str) and part != "definition":
            key = part
        before = str(part)
    return path, key


def _has(value: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(value, list | tuple) and part < len(value)
    return isinstance(value, dict) and part in value


def reason(error: Any, key: str) -> tuple[str, str]:
    """The message and the hint of one of pydantic's errors about a key, "" for the whole."""
    context, text = error.get("ctx", {}), error["msg"].removeprefix("Value error, ")
    if (wanted := _WANTED.get(error["type"])) is not None:
        return f"{key}: must be {wanted}." if key else f"This must be {wanted}.", ""
    match error["type"]:
        case "extra_forbidden":
            return f"{error['loc'][-1]!r} is no key here.", "Remove it, or check its spelling."
        case "missing":
            return f"{error['loc'][-1]!r} is missing.", ""
        case "union_tag_invalid":
            return f"{context.get('tag')!r} is no known type.", f"Known are {context.get('expected_tags')}."
        case "union_tag_not_found":
            return f"{key or 'This'} needs an object with its `type`.", ""
        case "too_short":
            return f"{key} needs at least one entry.", "Leave it out or add one." if key != "workspaces" else ""
        case "recursion_loop":
            return f"{key or 'This'} is nested too deep.", "Join the alternatives in one list."
        case "string_too_short":
            return f"{key} is empty.", ""
        case "string_too_long":
            return f"{key} is longer than {context['max_length']} characters.", ""
        case "value_error":
            return (f"{key}: {text}" if key else text).rstrip("?.") + ("?" if text.endswith("?") else "."), ""
    return f"{key}: {text.replace('Input should be', 'must be')}." if key else f"{text}.", ""
