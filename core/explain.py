"""Why a profile is in an audience or not: the definition as a tree of yes and no, each leaf with its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.criteria import And, Criterion, Or
from core.criteria.base import replaced
from core.criteria.evidence import Evidence
from core.errors import CoreError
from core.profile import index_of

if TYPE_CHECKING:
    from core.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Explained:
    """One node. `holds`: its answer for the profile. `decides`: the other answer alone would change the membership."""

    path: str
    type: str
    sentence: str
    holds: bool
    decides: bool
    evidence: Evidence | None
    children: tuple[Explained, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "path": self.path,
            "type": self.type,
            "sentence": self.sentence,
            "holds": self.holds,
            "decides": self.decides,
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why profile `mpid` is a member or not at `now`; `in_universe`: it was seen in the audience's workspaces."""

    mpid: int
    now: datetime
    member: bool
    in_universe: bool
    root: Explained

    def leaves(self) -> Iterator[Explained]:
        """The criteria, in the order of their letters."""
        todo = [self.root]
        while todo:
            node = todo.pop()
            if node.evidence is not None:
                yield node
            todo.extend(reversed(node.children))

    @property
    def summary(self) -> str:
        """The answer in one sentence."""
        if not self.in_universe:
            return "Not a member: never seen in the audience's workspaces by then."
        deciding = [leaf for leaf in self.leaves() if leaf.decides]
        answer = "A member" if self.member else "Not a member"
        if not deciding:
            return f"{answer}: no single criterion decides it."
        if len(deciding) == 1:
            return f"{answer}: one criterion decides it."
        each = "each one is needed" if self.member else "each one alone would change it"
        return f"{answer}: {len(deciding)} criteria decide it, {each}."

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        now = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "mpid": self.mpid,
            "now": now,
            "member": self.member,
            "in_universe": self.in_universe,
            "summary": self.summary,
            "root": self.root.to_dict(),
        }


def explain(evaluation: Evaluation, mpid: int) -> Explanation:
    """Why a profile is a member or not; CoreError where the account has no such profile."""
    profile = index_of(evaluation.scope.snapshot, mpid)
    if profile is None:
        raise CoreError(f"There is no profile {mpid}.", "Look it up by one of its identities.")
    root = _explained(evaluation, profile, "root", evaluation.audience.root)
    member, seen = bool(evaluation.mask[profile]), bool(evaluation.scope.universe[profile])
    return Explanation(int(mpid), evaluation.now, member, seen, root)


def _explained(evaluation: Evaluation, profile: int, path: str, node: Criterion) -> Explained:
    scope = evaluation.scope
    return Explained(
        path,
        node.kind_of_node,
        node.sentence,
        bool(scope.judge(node)[profile]),
        _decides(evaluation, profile, path),
        node.evidence(scope, profile),
        tuple(_explained(evaluation, profile, f"{path}.{segment}", child) for segment, child in node.children()),
    )


def _decides(evaluation: Evaluation, profile: int, path: str) -> bool:
    """Whether the answer of the node at a path makes the difference for a profile."""
    judge, root = evaluation.scope.judge, evaluation.audience.root
    everybody, nobody = (judge(replaced(root, path, node)) for node in (And.of(), Or.of()))
    return bool(everybody[profile] != nobody[profile])
