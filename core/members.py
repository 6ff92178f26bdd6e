"""A few members, the same ones for the same members: who they are, and by what they can be recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from core.data.schema import USER_IDENTITIES
from core.data.values import NO_MOMENT, Mask
from core.profile import masked

if TYPE_CHECKING:
    from core.evaluate import Evaluation
    from core.scope import Scope

SHOWN: Final = 20
FRAME: Final = pl.Schema({"mpid": pl.Int64(), "identity": pl.String(), "last_seen": pl.Datetime("ms", "UTC")})


def some_members(evaluation: Evaluation, count: int = SHOWN, masks: bool = True, after: int = 0) -> pl.DataFrame:
    """Members in the order of their hashes, so that they are a fair draw and stay where the audience changes little.

    The first `count`, or those after so many others: what stands before them is looked up as well, so it is for
    previews and not for all.

    Columns `mpid`, `identity` ("email j•••@example.com": the first user identity known by now, masked unless `masks` is
    off; null where there is none), `last_seen` in the audience's workspaces.
    """
    found = sorted(row for scope, mask in evaluation.parts() for row in _first(scope, mask, after + count, masks))
    rows = [row for _, *row in found[after : after + count]]
    frame = pl.DataFrame(rows, schema={**FRAME, "last_seen": pl.Int64()}, orient="row")
    return frame.with_columns(pl.col("last_seen").cast(FRAME["last_seen"]))


def _first(scope: Scope, mask: Mask, count: int, masks: bool) -> list[tuple[int, int, str | None, int]]:
    """The members of a shard that come first: hash, mpid, identity, and when they were last seen."""
    snapshot = scope.snapshot
    members = np.flatnonzero(mask)
    chosen = members[np.argsort(snapshot.hash[members], kind="stable")[:count]]
    latest = np.full(len(chosen), NO_MOMENT, np.int64)
    for workspace in scope.workspaces:
        np.maximum(latest, snapshot.last_seen(workspace, scope.now_ms)[chosen], out=latest)
    known = _identities(scope, chosen)
    return [
        (int(snapshot.hash[at]), int(snapshot.mpid[at]), _told(known.get(int(at)), masks), int(seen))
        for at, seen in zip(chosen, latest, strict=True)
    ]


def _told(identity: tuple[str, str] | None, masks: bool) -> str | None:
    if identity is None:
        return None
    kind, value = identity
    return f"{kind.replace('_', ' ')} {masked(value) if masks else value}"


def _identities(scope: Scope, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[int, tuple[str, str]]:
    """The first identity (in the order of types) of some profiles: profile -> (type, value)."""
    order = {name: at for at, name in enumerate(USER_IDENTITIES)}
    frame = (
        scope.snapshot.table("identities")
        .filter(
            pl.col("profile").is_in(chosen.astype(np.uint32).tolist()),
            pl.col("identity_type").is_in(list(order)),
            pl.col("time_ms") <= scope.now_ms,
        )
        .select("profile", "identity_type", "value")
        .collect()
    )
    found: dict[int, tuple[str, str]] = {}
    for profile, kind, value in sorted(frame.rows(), key=lambda row: (row[0], order[row[1]], row[2])):
        found.setdefault(profile, (kind, value))
    return found
