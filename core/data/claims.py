"""Who the users of a table's rows are: as few users as can be, so that most are resolved without a loop."""

from __future__ import annotations

from typing import Final

import polars as pl

from core.data.rows import Rows

_ID: Final = "identity "


def users_of(rows: Rows) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame]:
    """Each row's user (UInt32), the users (mpid, arrival) and the identities that they claim; arrivals are row numbers.

    Rows that give the same mpid and identities are one user. But where two users claim one identity, and some row must
    be resolved by its identities, it matters whose claim came last: those rows are users of their own, run by run.
    """
    given = {f"{_ID}{name}": values for name, values in rows.identities.items()}
    mpid = rows.mpid if rows.mpid is not None else pl.repeat(None, rows.size, dtype=pl.Int64, eager=True)
    keys = pl.DataFrame({"mpid": mpid, **given})
    user = _numbered(keys)
    if len(given) > 1 or (given and rows.mpid is not None):
        user = _apart(keys, user)
    seen = keys.with_columns(user=user, time_ms=rows.time_ms).with_row_index("arrival")
    users = (
        seen.lazy()
        .with_columns(pl.col("arrival").cast(pl.Int64))
        .group_by("user")
        .agg(
            pl.col("mpid", *given).first(),
            time_ms=pl.col("time_ms").min(),
            arrival=pl.col("arrival").first(),
            last=pl.col("arrival").last(),
        )
        .sort("user")
        .collect()
    )
    return user, users.select("mpid", "arrival"), _claims(users, rows)


def _numbered(keys: pl.DataFrame) -> pl.Series:
    """The number of each row's distinct content, in order of first appearance."""
    distinct = keys.unique(maintain_order=True).with_row_index("user")
    return keys.join(distinct, on=keys.columns, how="left", nulls_equal=True, maintain_order="left")["user"]


def _apart(keys: pl.DataFrame, user: pl.Series) -> pl.Series:
    """Users anew, where those that share an identity with another one are told apart run by run."""
    if keys["mpid"].null_count() == 0:
        return user
    distinct = keys.with_columns(user=user).unique("user")
    shared = pl.concat([_sharing(distinct, name) for name in keys.columns if name.startswith(_ID)]).unique()
    if shared.is_empty():
        return user
    entangled = user.is_in(shared.implode())
    runs = user.filter(entangled).rle_id().cast(pl.Int64)
    run = pl.repeat(None, len(user), dtype=pl.Int64, eager=True).scatter(entangled.arg_true(), runs)
    return _numbered(pl.DataFrame({"content": user, "run": run}))


def _sharing(distinct: pl.DataFrame, name: str) -> pl.Series:
    """The users whose identity of that type another user claims too."""
    claimed = distinct.filter(pl.col(name).is_not_null())
    return claimed.filter(pl.col(name).is_duplicated())["user"]


def _claims(users: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The identities of the users in the mapping's order: claimed last at `arrival`, first at `time_ms`."""
    parts = [
        users.select(
            "user",
            "time_ms",
            identity_type=pl.lit(name, pl.String),
            value=pl.col(f"{_ID}{name}"),
            arrival=pl.col("last"),
        ).filter(pl.col("value").is_not_null())
        for name in rows.identities
    ]
    return pl.concat(parts).sort("user", maintain_order=True) if parts else pl.DataFrame()
