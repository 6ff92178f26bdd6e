"""What the core says of a draft, also while parts of it are incomplete: those are left out, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core import Audience, CoreError, Dataset, DefinitionError, Evaluation, NodeSize, Problem
from core.criteria.template import plain_words
from workbench.asking import UNCHOSEN
from workbench.builder import tree
from workbench.builder.tree import Node

Steady = Callable[[int, int], None]
_ROWS = ("where", "where_product", "steps")


@dataclass(frozen=True)
class Answer:
    """An evaluation of a draft, and what stands in the way of the whole of it."""

    evaluation: Evaluation | None
    """Of the criteria that are complete; None where the scope itself has problems."""
    sizes: Mapping[str, NodeSize]
    """By the id of a node."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    left_out: frozenset[str]
    """The ids of the criteria that are incomplete or wrong."""
    others: Mapping[str, Audience]
    """The audiences that memberships name, by id."""

    @property
    def whole(self) -> bool:
        """Whether the evaluation is that of the whole definition."""
        return self.evaluation is not None and not self.left_out


def answer(
    data: Dataset,
    document: Node,
    now: datetime,
    others: Mapping[str, Audience],
    watched: Callable[[Audience], Steady] | None = None,
) -> Answer:
    """Evaluate a draft without the criteria that have problems; `others` by id answer memberships.

    `watched` gives the `progress` of the evaluation of an audience, as that of `Dataset.evaluate`.
    """
    root: Node = document["definition"]["root"]
    paths = {node["id"]: path for path, node in tree.nodes(root)}
    problems = list(unchosen(root))
    bad = {node_id for each in problems if (node_id := _leaf_of(root, each.path))}
    while True:
        kept = _kept(root, bad)
        try:
            audience = Audience.from_dict(_plain(document, kept))
            evaluation = data.evaluate(
                audience, now=now, audiences=others, progress=watched(audience) if watched else None
            )
            warnings = audience.check(data, others).warnings
        except DefinitionError as error:
            found = [(_leaf_of(kept, each.path), each) for each in error.problems]
            problems += [_placed(each, kept, node_id, paths) for node_id, each in found]
            worse = {node_id for node_id, _ in found if node_id} - bad
            if not worse or any(node_id is None for node_id, _ in found):
                return Answer(None, {}, tuple(problems), (), frozenset(bad | worse), others)
            bad |= worse
        except CoreError as error:
            problems.append(Problem("", error.message, error.hint))
            return Answer(None, {}, tuple(problems), (), frozenset(bad), others)
        else:
            by_path = {each.path: each for each in evaluation.criteria}
            sizes = {node["id"]: by_path[path] for path, node in tree.nodes(kept)}
            placed = tuple(_placed(each, kept, _leaf_of(kept, each.path), paths) for each in warnings)
            return Answer(evaluation, sizes, tuple(problems), placed, frozenset(bad), others)


def _plain(document: Node, root: Node) -> Node:
    plain: Node = tree.without_ids({**document, "definition": {**document["definition"], "root": root}})
    return plain


def _kept(root: Node, bad: set[str]) -> Node:
    for node_id in bad:
        root = tree.removed(root, node_id)
    return root


def _leaf_of(root: Node, path: str) -> str | None:
    """The id of the leaf that a path is in."""
    for at, node, _ in tree.leaves(root):
        if path == at or path.startswith(f"{at}."):
            return str(node["id"])
    return None


def _placed(problem: Problem, kept: Node, node_id: str | None, paths: Mapping[str, str]) -> Problem:
    """A problem with its path in the whole tree."""
    if node_id is None:
        return problem
    here = next(path for path, node in tree.nodes(kept) if node["id"] == node_id)
    return replace(problem, path=paths[node_id] + problem.path.removeprefix(here))


def unchosen(root: Node) -> Iterator[Problem]:
    """A problem for every name that is still empty."""
    for path, node, _ in tree.leaves(root):
        yield from _empty(node, path, closed=False)


def _empty(value: Node, path: str, closed: bool) -> Iterator[Problem]:
    for key, each in value.items():
        if each == "" and key not in ("value", "id"):
            yield Problem(path, f"{plain_words(key).capitalize()} {UNCHOSEN}")
        elif isinstance(each, dict):
            yield from _empty(each, path, closed)
        elif isinstance(each, list):
            for at, item in enumerate(each):
                if isinstance(item, dict):
                    place = f"{path}.{key}[{at}]" if key in _ROWS and not closed else path
                    yield from _empty(item, place, closed or key.startswith("where"))
