"""Small audiences for the tests of the registry."""

from __future__ import annotations

from typing import Any

from core import Audience


def attribute(key: str, value: str = "x") -> dict[str, Any]:
    return {"type": "user_attribute", "attribute": key, "operator": "exact_match", "value": value}


def member_of(audience_id: str) -> dict[str, Any]:
    return {"type": "audience_membership", "audience": audience_id, "operator": "in"}


def audience(name: str = "Gold", *criteria: dict[str, Any], **scope: Any) -> Audience:
    root = {"type": "and", "criteria": list(criteria or [attribute("tier", "gold")])}
    return Audience.from_dict(
        {"name": name, "workspaces": ["shop"], **scope, "definition": {"version": 1, "root": root}}
    )
