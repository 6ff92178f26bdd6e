"""Audiences in the one wording in which they come back from mParticle's schema: what means the same is said alike."""

from __future__ import annotations

from typing import Any, Final

from core import Audience
from core.criteria.windows import MS
from core.data.values import number_text

Document = dict[str, Any]

VERSIONS: Final = ("app_version", "os_version")
EVENTS: Final = ("event", "sequence", "cart_abandonment")
DEFAULT: Final = {"operator": "greater_than", "value": 0, "count": "events"}
USER_BASED: Final = ("crash", "install", "uninstall", "upgrade")


def worded(audience: Audience) -> Audience:
    """The same audience, in the wording that the schema keeps."""
    document = audience.to_dict()
    root = _node(document["definition"]["root"])
    kinds = [node for node in _nodes(root) if node["type"] in EVENTS]
    if not kinds:
        document["lookback_days"] = None
    if all(node.get("kind") in USER_BASED for node in kinds):
        document["inputs"] = None
    return Audience.from_dict({**document, "definition": {"version": 1, "root": root}})


def _nodes(node: Document) -> list[Document]:
    below = node.get("criteria", [node["criterion"]] if "criterion" in node else [])
    return [node, *(each for child in below for each in _nodes(child))]


def _node(node: Document) -> Document:
    made = dict(node)
    if "criteria" in node:
        made["criteria"] = [_node(each) for each in node["criteria"]]
    if "criterion" in node:
        made["criterion"] = _node(node["criterion"])
    if "steps" in node:
        made["steps"] = [_node(each) for each in node["steps"]]
    for key in ("where", "where_product"):
        if key in node:
            made[key] = [_entry(each) for each in node[key]]
    if node.get("when"):
        made["when"] = _window(node["when"])
    if node.get("frequency") and {"count": "events", **node["frequency"]} == DEFAULT:
        del made["frequency"]
    if node.get("aggregate"):
        made["aggregate"] = _compared(node["aggregate"], node["aggregate"]["of"].get("field") in VERSIONS)
    for part in ("publisher", "campaign"):
        if node.get(part):
            made[part] = _compared(node[part])
    if "operator" in node and node["type"] not in ("audience_membership", "location"):
        made = _compared(made, node["type"] == "device" and node["field"] == "os_version")
        if _differs_in_version(node):
            return {"type": "not", "criterion": _between(made)}
    return made


def _entry(entry: Document) -> Document:
    for key in ("any_of", "none_of"):
        if key in entry:
            return {key: [_entry(each) for each in entry[key]]}
    made = _compared(entry, entry.get("field") in VERSIONS)
    return {"none_of": [_between(made)]} if _differs_in_version(entry) else made


def _is_version(fields: Document) -> bool:
    named = fields.get("value_type") == "version" or (
        fields.get("field") in VERSIONS and fields.get("value_type") is None
    )
    return named and isinstance(fields.get("value"), str) and fields["operator"] in ("equals", "not_equals")


def _differs_in_version(fields: Document) -> bool:
    return _is_version(fields) and fields["operator"] == "not_equals"


def _between(fields: Document) -> Document:
    return {**fields, "operator": "between", "value": [fields["value"], fields["value"]]}


def _compared(fields: Document, is_version: bool = False) -> Document:
    """A comparison: types that follow from the operator are not forced, lists hold texts, windows are plain."""
    made = dict(fields)
    forced = made.pop("value_type", None)
    if forced == "version" and not is_version and fields["operator"] not in ("exists", "not_exists"):
        made["value_type"] = forced
    if is_version and forced in ("number", "boolean"):
        made["value_type"] = forced
    if fields["operator"] in ("is_in", "is_not_in"):
        made["value"] = [item if isinstance(item, str) else number_text(item) for item in fields["value"]]
    if fields["operator"] == "is_empty":
        made |= {"operator": "exact_match", "value": ""}
    if _is_version(fields) and fields["operator"] == "equals":
        made = _between(made)
    if fields["operator"] == "between_ago":
        window = _window({"type": "between_ago", **{key: fields[key] for key in ("from", "to", "unit")}})
        made = {key: value for key, value in made.items() if key not in ("from", "to")}
        made |= {"operator": window.pop("type"), **window}
    return made


def _window(window: Document) -> Document:
    if window["type"] != "between_ago":
        return window
    near, far = sorted((window["from"], window["to"]))
    if near == 0 and far > 0:
        return {"type": "within_last", "amount": far, "unit": window["unit"]}
    assert window["unit"] in MS
    return {**window, "from": near, "to": far}
