"""The shapes of mParticle's audience schema 1.6 as a JSON Schema, written down from its facts."""

from __future__ import annotations

from typing import Any, Final

TEXT: Final = {"type": "string"}


def ref(name: str) -> dict[str, str]:
    """A reference to a definition."""
    return {"$ref": f"#/definitions/{name}"}


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these keys and no others."""
    keys = {"properties": {**required, **optional}, "required": list(required)}
    return {"type": "object", "additionalProperties": False, **keys}


def words(text: str) -> dict[str, Any]:
    """One of these texts."""
    return {"enum": text.split()}


BINARY: Final = (
    "equals not_equals less_than less_than_equal greater_than greater_than_equal matches not_matches contains "
    "not_contains starts_with not_starts_with ends_with not_ends_with in not_in"
)
UNITS: Final = "second minute hour day week month quarter year"

SCHEMA: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **closed({"schema_version": TEXT, "audience": ref("expression")}),
    "definitions": {
        "expression": {
            "anyOf": [
                closed({"operator": words("null not_null exists not_exists"), "operand": ref("operand")}),
                closed({"operator": words(BINARY), "left": ref("operand"), "right": ref("operand")}),
                closed({"operator": words("and or"), "expressions": {"type": "array", "items": ref("expression")}}),
                closed({"operator": {"const": "then"}, "sequence": {"type": "array", "items": ref("step")}}),
            ]
        },
        "step": closed({"alias": TEXT, "operand": ref("path")}, condition=ref("expression")),
        "path": closed({"model": TEXT, "path": TEXT}),
        "alias": closed({"alias": TEXT, "path": TEXT}),
        "operand": {
            "anyOf": [
                {"type": ["boolean", "number", "string"]},
                closed({"date": {"anyOf": [closed({"absolute": TEXT}), closed({"relative": ref("relative")})]}}),
                ref("path"),
                ref("alias"),
                closed({"model": TEXT}),
                closed({"audience": TEXT}),
                closed(
                    {
                        "operator": words("min max sum avg list count"),
                        "group_by_model": TEXT,
                        "operand": ref("operand"),
                    },
                    condition=ref("expression"),
                ),
            ]
        },
        "relative": closed(
            {"offset": {"type": "number"}, "unit": words(UNITS)},
            boundary=words("start end"),
            relative_to=ref("alias"),
        ),
    },
}
