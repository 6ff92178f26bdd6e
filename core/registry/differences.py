"""How one definition became another, in words: scope, criteria that came, went or changed, and the logic line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from core.audience import Audience
from core.criteria import Criterion
from core.registry.values import Change


def differences(before: Audience, after: Audience) -> tuple[Change, ...]:
    """Every difference, scope first. Empty when both say the same."""
    return (*_scope(before, after), *_criteria(before, after), *_logic(before, after))


def _scope(before: Audience, after: Audience) -> Iterator[Change]:
    for what, old, new in (
        ("name", before.name, after.name),
        ("external name", before.external_name, after.external_name),
        ("workspaces", ", ".join(before.workspaces), ", ".join(after.workspaces)),
        ("inputs", _inputs(before), _inputs(after)),
        ("event data", _lookback(before), _lookback(after)),
    ):
        if old != new:
            yield Change(what, old, new)


def _inputs(audience: Audience) -> str:
    return "all" if audience.inputs is None else ", ".join(audience.inputs)


def _lookback(audience: Audience) -> str:
    days = audience.lookback_days
    return "unlimited" if days is None else f"last {days:g} days"


def _criteria(before: Audience, after: Audience) -> Iterator[Change]:
    """Leaves are compared as values in their order; those that stand in each other's place have changed."""
    old, new = _leaves(before), _leaves(after)
    for what, start, end, first, last in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if what != "equal":
            for gone, came in zip_longest(old[start:end], new[first:last]):
                yield Change("criterion", _sentence(gone), _sentence(came))


def _leaves(audience: Audience) -> list[Criterion]:
    return [node for _, node in audience.nodes() if not node.children()]


def _sentence(node: Criterion | None) -> str | None:
    return None if node is None else node.sentence


def _logic(before: Audience, after: Audience) -> Iterator[Change]:
    if before.formula != after.formula:
        yield Change("logic", before.formula, after.formula)
