"""Who the users of a table's rows are: as few users as can be, so that most are resolved without a loop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.rows import Rows

Codes = npt.NDArray[np.int64]


def users_of(rows: Rows) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame]:
    """Each row's user (UInt32), the users (mpid, arrival) and the identities that they claim; arrivals are row numbers.

    Rows that give the same mpid and identities are one user; where none claims any, each may be one of its own. But
    where two users claim one identity, and some row must be resolved by its identities, it matters whose claim came
    last: those rows are users of their own, run by run.
    """
    if rows.mpid is not None and not rows.identities:
        # Nothing is claimed and nobody is searched for: a row is its user, and nothing needs to be counted.
        each = np.arange(rows.size, dtype=np.int64)
        return pl.Series(each, dtype=pl.UInt32), pl.DataFrame({"mpid": rows.mpid, "arrival": each}), pl.DataFrame()
    given = [*([] if rows.mpid is None else [rows.mpid]), *rows.identities.values()]
    user = _together([_codes(values) for values in given])
    if len(given) > 1 and (rows.mpid is None or rows.mpid.null_count()):
        user = _apart(user, rows)
    first, last = _first_rows(user), np.empty(int(user.max()) + 1, np.int64)
    last[user] = np.arange(rows.size)
    mpid = pl.repeat(None, len(first), dtype=pl.Int64, eager=True) if rows.mpid is None else rows.mpid.gather(first)
    users = pl.DataFrame({"mpid": mpid, "arrival": first})
    return pl.Series(user, dtype=pl.UInt32), users, _claims(rows, user, first, last)


def _codes(values: pl.Series) -> Codes:
    """A number for each distinct value, from 0 and without gaps; null is a value too."""
    if values.dtype == pl.String():
        distinct = values.unique().drop_nulls()
        codes = values.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64)
        return codes.fill_null(len(distinct)).to_numpy()
    numbered = values.unique().to_frame("value").with_row_index("code")
    found = values.to_frame("value").join(numbered, on="value", how="left", nulls_equal=True, maintain_order="left")
    return found["code"].cast(pl.Int64).to_numpy()


def _together(columns: list[Codes]) -> Codes:
    """A number for each distinct combination, from 0 and without gaps."""
    combined, *others = columns
    for codes in others:
        combined = _codes(pl.Series(combined * (codes.max() + 1) + codes))
    return combined


def _first_rows(user: Codes) -> Codes:
    first = np.empty(int(user.max()) + 1, np.int64)
    first[user[::-1]] = np.arange(len(user))[::-1]
    return first


def _apart(user: Codes, rows: Rows) -> Codes:
    """Users anew, where those that share an identity with another one are told apart run by run."""
    first = _first_rows(user)
    shared = np.zeros(len(first), np.bool_)
    for values in rows.identities.values():
        claimed = values.gather(first)
        shared |= (claimed.is_duplicated() & claimed.is_not_null()).to_numpy()
    if not shared.any():
        return user
    entangled = np.flatnonzero(shared[user])
    runs = np.cumsum(np.diff(user[entangled], prepend=-1) != 0)
    separate = user.copy()
    separate[entangled] = len(first) + runs
    return _codes(pl.Series(separate))


def _claims(rows: Rows, user: Codes, first: Codes, last: Codes) -> pl.DataFrame:
    """The identities of the users in the mapping's order: claimed last at `arrival`, first at `time_ms`."""
    earliest = rows.time_ms.gather(first).to_numpy().copy()
    np.minimum.at(earliest, user, rows.time_ms.to_numpy())
    stamp = pl.DataFrame({"user": np.arange(len(first), dtype=np.uint32), "time_ms": earliest, "arrival": last})
    parts = [
        stamp.with_columns(identity_type=pl.lit(name, pl.String), value=values.gather(first)).drop_nulls("value")
        for name, values in rows.identities.items()
    ]
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).sort("user", maintain_order=True) if parts else pl.DataFrame()
