"""Trees of a definition as plain documents in which every node and row has an id. Nothing here changes its input."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.criteria import And, Criterion, Not, Or
from core.criteria.memberships import AudienceMembership
from core.formula import letters, parse_formula, to_formula

Node = dict[str, Any]
Change = Callable[[Node], Node | None]
GROUPS = ("and", "or")
_CHILD_KEYS = ("root", "criterion")


@dataclass(frozen=True)
class Place:
    """Where a dictionary of a document is: the id of a node or row, and the keys below it."""

    owner: str
    keys: tuple[str, ...] = ()

    def below(self, key: str) -> Place:
        """The place of a value of this dictionary."""
        return Place(self.owner, (*self.keys, key))

    @property
    def key(self) -> str:
        """As the key of a widget."""
        return "-".join((self.owner, *self.keys))


def new_id() -> str:
    """An id that no other node has."""
    return uuid.uuid4().hex[:8]


def without_ids(value: Any) -> Any:
    """A document without the ids of its nodes and rows."""
    if isinstance(value, dict):
        return {key: without_ids(each) for key, each in value.items() if key != "id"}
    return [without_ids(each) for each in value] if isinstance(value, list) else value


def with_ids(value: Any, fresh: bool = False, row: bool = True) -> Any:
    """A node or document with an id on every node and row; those that are there stay, unless all are to be `fresh`."""
    if isinstance(value, list):
        return [with_ids(each, fresh) for each in value]
    if not isinstance(value, dict):
        return value
    marked = {key: with_ids(each, fresh, key in _CHILD_KEYS) for key, each in value.items()}
    if row:
        marked["id"] = new_id() if fresh else marked.get("id", new_id())
    return marked


def leaves(node: Node, path: str = "root", excluded: bool = False) -> Iterator[tuple[str, Node, bool]]:
    """Every leaf with its path, pre-order, and whether it is excluded."""
    for at, each in nodes(node, path):
        if each["type"] not in (*GROUPS, "not"):
            yield at, each, _excluded(node, at.removeprefix(path))


def _excluded(node: Node, path: str) -> bool:
    return path.count(".criterion") % 2 == 1


def nodes(node: Node, path: str = "root") -> Iterator[tuple[str, Node]]:
    """Every node with its path, pre-order; sequence steps are no nodes of their own."""
    yield path, node
    for at, child in enumerate(node.get("criteria", ()) if node["type"] in GROUPS else ()):
        yield from nodes(child, f"{path}.criteria[{at}]")
    if node["type"] == "not":
        yield from nodes(node["criterion"], f"{path}.criterion")


def find(value: Any, wanted: str) -> Node | None:
    """The node or row of an id, anywhere in a document."""
    if isinstance(value, dict):
        if value.get("id") == wanted:
            return value
        value = list(value.values())
    if isinstance(value, list):
        return next((found for each in value if (found := find(each, wanted)) is not None), None)
    return None


def parent_of(root: Node, wanted: str) -> Node | None:
    """The group or not that holds a node."""
    return next((each for _, each in nodes(root) if wanted in {child["id"] for child in _children(each)}), None)


def _children(node: Node) -> list[Node]:
    if node["type"] in GROUPS:
        return list(node["criteria"])
    return [node["criterion"]] if node["type"] == "not" else []


def changed(value: Any, place: Place, change: Change) -> Any:
    """A document with another dictionary at a place; None from `change` removes it."""
    return _walk(value, place, change)[0]


def _walk(value: Any, place: Place, change: Change) -> tuple[Any, bool]:
    """The value after the change, and whether the place was inside it; what is not on the way is shared."""
    if isinstance(value, dict):
        if value.get("id") == place.owner:
            return _inside(value, place.keys, change), True
        for key, each in value.items():
            new, found = _walk(each, place, change)
            if found:
                rest = {at: kept for at, kept in value.items() if at != key}
                return ({**value, key: new} if new is not None else rest), True
    elif isinstance(value, list):
        for at, each in enumerate(value):
            new, found = _walk(each, place, change)
            if found:
                return [*value[:at], *([] if new is None else [new]), *value[at + 1 :]], True
    return value, False


def _inside(value: Node, keys: tuple[str, ...], change: Change) -> Node | None:
    if not keys:
        return change(value)
    new = _inside(value.get(keys[0]) or {}, keys[1:], change)
    return {**{key: each for key, each in value.items() if key != keys[0]}, **({} if new is None else {keys[0]: new})}


# -- edits of the tree -------------------------------------------------------------------------------------------------


def removed(root: Node, node_id: str) -> Node:
    """The tree without a node; groups that lose their last node go with it."""
    return _without(root, node_id) or with_ids({"type": "and", "criteria": []})


def _without(node: Node, node_id: str) -> Node | None:
    if node["id"] == node_id:
        return None
    if node["type"] in GROUPS:
        kept = [left for child in node["criteria"] if (left := _without(child, node_id)) is not None]
        return {**node, "criteria": kept} if kept or not node["criteria"] else None
    if node["type"] == "not":
        left = _without(node["criterion"], node_id)
        return None if left is None else {**node, "criterion": left}
    return node


def added(root: Node, how: str, node: Node) -> Node:
    """The tree with one more criterion at its end: joined by "and", by "or", or excluded."""
    kind = "or" if how == "or" else "and"
    new: Node = with_ids({"type": "not", "criterion": node}) if how == "exclude" else node
    if root["type"] not in GROUPS:
        return _group(kind, [root, new])
    if not root["criteria"]:
        return _group("and", [new])
    if root["type"] == kind or len(root["criteria"]) == 1:
        return {**root, "type": kind, "criteria": [*root["criteria"], new]}
    return _group(kind, [root, new])


def _group(kind: str, criteria: list[Node]) -> Node:
    return {"type": kind, "criteria": criteria, "id": new_id()}


def duplicated(root: Node, node_id: str) -> Node:
    """The tree with a copy of a node behind it."""
    node = find(root, node_id)
    parent = parent_of(root, node_id)
    copy: Node = with_ids(node, fresh=True)
    while parent is not None and parent["type"] == "not":  # a copy of what is excluded is excluded
        copy, node_id = {"type": "not", "criterion": copy, "id": new_id()}, parent["id"]
        parent = parent_of(root, node_id)
    if parent is None:
        return added(root, "and", copy)
    at = [each["id"] for each in parent["criteria"]].index(node_id) + 1
    spread = [*parent["criteria"][:at], copy, *parent["criteria"][at:]]
    return _put(root, parent["id"], {**parent, "criteria": spread})


def moved(root: Node, node_id: str, by: int) -> Node:
    """The tree with a node before (-1) or behind (+1) its neighbour; the same tree where there is none."""
    parent = parent_of(root, node_id)
    while parent is not None and parent["type"] == "not":
        node_id = parent["id"]
        parent = parent_of(root, node_id)
    if parent is None:
        return root
    order = list(parent["criteria"])
    at = [each["id"] for each in order].index(node_id)
    if not 0 <= at + by < len(order):
        return root
    order[at], order[at + by] = order[at + by], order[at]
    return _put(root, parent["id"], {**parent, "criteria": order})


def excluded(root: Node, node_id: str) -> Node:
    """The tree with a node excluded, or no longer excluded."""
    parent = parent_of(root, node_id)
    if parent is not None and parent["type"] == "not":
        return _put(root, parent["id"], parent["criterion"])
    node = find(root, node_id)
    assert node is not None, "the card of a node that is gone is not drawn"
    if node is root:
        return _group("and", [{"type": "not", "criterion": node, "id": new_id()}])
    return _put(root, node_id, {"type": "not", "criterion": node, "id": new_id()})


def toggled(root: Node, group_id: str) -> Node:
    """The tree with "or" instead of "and" in a group, or the other way round."""
    group = find(root, group_id)
    assert group is not None and group["type"] in GROUPS
    return _put(root, group_id, {**group, "type": "or" if group["type"] == "and" else "and"})


def _put(root: Node, node_id: str, node: Node) -> Node:
    new: Node = changed(root, Place(node_id), lambda _: node)
    return new


# -- the logic line ----------------------------------------------------------------------------------------------------


def lettered(root: Node) -> dict[str, str]:
    """The letter of every leaf by its id."""
    return dict(zip((node["id"] for _, node, _ in leaves(root)), letters(), strict=False))


def formula(root: Node) -> str:
    """The tree as a logic line."""
    return to_formula(_criterion(root))


def parsed(text: str, root: Node) -> Node:
    """The tree of a logic line over the leaves of a tree, what it does not name left out; raises FormulaError."""
    found = [node for _, node, _ in leaves(root)]
    known = [_stand_in(at) for at in range(len(found))]
    used: set[int] = set()

    def back(node: Criterion) -> Node:
        if isinstance(node, AudienceMembership):
            at = int(node.audience)
            leaf: Node = with_ids(found[at], fresh=True) if at in used else found[at]
            used.add(at)
            return leaf
        if isinstance(node, Not):
            return {"type": "not", "criterion": back(node.criterion), "id": new_id()}
        assert isinstance(node, And | Or)
        return _group(node.kind_of_node, [back(each) for each in node.criteria])

    return back(parse_formula(text, known, allow_unused=True))


def _stand_in(at: int) -> AudienceMembership:
    """A criterion that stands for the leaf of a number: leaves may be incomplete, so they are no criteria yet."""
    return AudienceMembership(type="audience_membership", audience=str(at), operator="in")


def _criterion(node: Node) -> Criterion:
    if node["type"] == "not":
        return Not(type="not", criterion=_criterion(node["criterion"]))
    if node["type"] in GROUPS:
        return (And if node["type"] == "and" else Or).of(*(_criterion(each) for each in node["criteria"]))
    return _stand_in(0)
