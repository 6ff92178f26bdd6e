"""What a dataset and other audiences say about a definition: the ground on which `check` stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Problem


@dataclass(frozen=True)
class Workspace:
    """A workspace as definitions see it."""

    inputs: frozenset[str]
    tiers: Mapping[tuple[str, str | None], str]
    calculated_attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """The audience's scope in a dataset.

    `known`: the dataset's workspaces, all of them; `workspaces` may name others, `problems` says which.
    `knows(list, workspace, name)` tells whether the data ever held a name (`core.catalog.knows`).
    `nested(id)` is None for an unknown audience, else whether its definition holds an audience membership itself.
    `faults(id)` is what keeps such an audience, known and not nested, from being evaluated.
    """

    workspaces: tuple[str, ...]
    inputs: frozenset[tuple[str, str]]
    known: Mapping[str, Workspace]
    knows: Callable[[str, str, str], bool]
    nested: Callable[[str], bool | None]
    faults: Callable[[str], tuple[Problem, ...]]
    every_input: frozenset[tuple[str, str]]
    problems: tuple[Problem, ...]
    """Workspaces and inputs of the audience that the dataset does not have."""
    missing: frozenset[str]
    """The inputs among them: no criterion is blamed for naming one again."""

    def tier(self, workspace: str, kind: str, name: str | None) -> str:
        """The tier of an event in a workspace."""
        known = self.known.get(workspace)
        return known.tiers.get((kind, name), "personalize") if known is not None else "personalize"

    def resolve(
        self, names: tuple[str, ...] | None, among: frozenset[tuple[str, str]]
    ) -> tuple[frozenset[tuple[str, str]], list[str]]:
        """The inputs that a criterion reads (all when it names none), and the names that stand for none of them."""
        if names is None:
            return among, []
        chosen, unknown = resolve_inputs(names, among)
        return chosen, [name for name in unknown if name not in self.missing]

    def profile_workspace(self, named: str | None) -> str:
        """The workspace that a profile criterion reads: the named one, else the audience's first."""
        return named if named is not None else self.workspaces[0]


def resolve_inputs(
    names: tuple[str, ...], among: frozenset[tuple[str, str]]
) -> tuple[frozenset[tuple[str, str]], list[str]]:
    """The (workspace, input) pairs that names stand for, and the names that stand for none.

    "travel-app/ios" names one; "ios" means that input in each workspace that has it.
    """
    chosen: set[tuple[str, str]] = set()
    unknown: list[str] = []
    for name in names:
        found = {pair for pair in among if name in (pair[1], f"{pair[0]}/{pair[1]}")}
        chosen |= found
        if not found:
            unknown.append(name)
    return frozenset(chosen), unknown
