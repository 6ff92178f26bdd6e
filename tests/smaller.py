"""Makes a failing situation small: drops what the failure does not need, piece by piece, until nothing more goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.strategies import Document, Load, Situation

Fails = Callable[[Situation], bool]


def smallest(situation: Situation, fails: Fails, tries: int = 3000) -> Situation:
    """The smallest situation found that still fails; `fails` answers False for what is no longer valid."""
    found = True
    while found and tries > 0:
        found = False
        for smaller in _smaller(situation):
            tries -= 1
            if tries <= 0:
                break
            if fails(smaller):
                situation, found = smaller, True
                break
    return situation


def _smaller(situation: Situation) -> Iterator[Situation]:
    yield from _halves(situation)
    for audience in situation.audiences:
        if len(situation.audiences) > 1:
            yield replace(situation, audiences=[audience])
    first = situation.audiences[0]
    for root in _nodes(first.get("definition", {}).get("root", {})):
        yield replace(situation, audiences=[{**first, "definition": {"version": 1, "root": root}}])
    for name in ("named", "calculated", "demoted"):
        if getattr(situation, name):
            yield replace(situation, **{name: type(getattr(situation, name))()})
    if situation.retention_days is not None:
        yield replace(situation, retention_days=None)
    for key in ("calculated", "audiences"):
        for values in _documents(getattr(situation, key)):
            yield replace(situation, **{key: values})
    for named in _document(situation.named):
        yield replace(situation, named=named)
    for at, load in enumerate(situation.loads):
        for batches in _documents(load.batches):
            yield _with_load(situation, at, replace(load, batches=batches))
        if load.received_at is not None:
            yield _with_load(situation, at, replace(load, received_at=None))


def _halves(situation: Situation) -> Iterator[Situation]:
    for at, load in enumerate(situation.loads):
        if len(situation.loads) > 1:
            yield replace(situation, loads=[*situation.loads[:at], *situation.loads[at + 1 :]])
        half = len(load.batches) // 2
        if half:
            yield _with_load(situation, at, replace(load, batches=load.batches[:half]))
            yield _with_load(situation, at, replace(load, batches=load.batches[half:]))


def _with_load(situation: Situation, at: int, load: Load) -> Situation:
    return replace(situation, loads=[*situation.loads[:at], load, *situation.loads[at + 1 :]])


def _nodes(node: Document) -> Iterator[Document]:
    """The nodes directly below, and the node with one of them replaced by what is below it."""
    if "criterion" in node:
        yield node["criterion"]
        yield from ({**node, "criterion": inner} for inner in _nodes(node["criterion"]))
    for at, child in enumerate(node.get("criteria", [])):
        yield child
        for inner in _nodes(child):
            yield {**node, "criteria": [*node["criteria"][:at], inner, *node["criteria"][at + 1 :]]}


def _documents(items: list[Any]) -> Iterator[list[Any]]:
    """A list without one of its items, or with one made smaller."""
    for at in range(len(items)):
        yield [*items[:at], *items[at + 1 :]]
    for at, item in enumerate(items):
        for smaller in _value(item):
            yield [*items[:at], smaller, *items[at + 1 :]]


def _document(document: Document) -> Iterator[Document]:
    """A dict without one of its keys, or with one made smaller."""
    for key in document:
        yield {other: value for other, value in document.items() if other != key}
    for key, value in document.items():
        for smaller in _value(value):
            yield {**document, key: smaller}


def _value(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from _document(value)
    elif isinstance(value, list):
        yield from _documents(value)
