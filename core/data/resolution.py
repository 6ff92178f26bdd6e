"""Who a user without mpid is: found by its identities, else a new profile (DEFINITION 6)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.schema import DEVICE_IDENTITIES, USER_IDENTITIES
from core.data.store import Manifest, Store
from core.errors import InputError

_UNKNOWN: Final = len(USER_IDENTITIES)
_RANKS: Final = {
    **{name: rank for rank, name in enumerate(USER_IDENTITIES)},
    **{name: _UNKNOWN + 1 + rank for rank, name in enumerate(DEVICE_IDENTITIES)},
}
_KEY: Final = ["identity_type", "value"]

Mpids = npt.NDArray[np.int64]


def derived_mpid(identity_type: str, value: str) -> int:
    """The mpid of a profile that is made because nobody owns the identity: xxh3-64 of `type:value`, signed."""
    unsigned = xxhash.xxh3_64_intdigest(f"{identity_type}:{value}".encode())
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


class Owners:
    """Which profile each identity belongs to: the one that arrived with it last, in the dataset or in the load so far."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self._store, self._manifest = store, manifest
        self._claims: list[pl.DataFrame] = []

    def resolve(self, mpids: pl.Series, arrivals: pl.Series, identities: pl.DataFrame | None) -> Mpids:
        """The mpid of each user of a part; a user's own, where given, stands.

        `identities`: user (row number in `mpids`), identity_type, value, in document order; claimed by the users.
        Raises InputError for a user with neither mpid nor identity.
        """
        result: Mpids = mpids.fill_null(0).to_numpy().copy()
        unknown = mpids.is_null()
        if unknown.any():
            if identities is None:
                raise InputError("A user has neither an mpid nor an identity.", "")
            self._find(result, unknown, arrivals, identities.select("user", *_KEY))
        if identities is not None and len(identities):
            claimed = identities.select(*_KEY, "arrival", mpid=pl.Series(result[identities["user"].to_numpy()]))
            self._claims.append(claimed)
        return result

    def _find(self, result: Mpids, unknown: pl.Series, arrivals: pl.Series, identities: pl.DataFrame) -> None:
        rows = identities.with_columns(unknown=unknown.gather(identities["user"]))
        asked = rows.filter(pl.col("unknown")).select(_KEY).unique(maintain_order=True).with_row_index("code")
        rows = rows.join(asked, on=_KEY, how="inner", maintain_order="left")
        owners = self._owners(asked)
        if rows["unknown"].all() and not rows["user"].is_duplicated().any():
            found = np.array([_owner(owner, key) for owner, key in zip(owners, asked.select(_KEY).rows(), strict=True)])
            result[rows["user"].to_numpy()] = found[rows["code"].to_numpy()] if len(found) else 0
            named = rows["user"]
        else:
            rank = pl.col("identity_type").replace_strict(_RANKS, default=_UNKNOWN, return_dtype=pl.Int64)
            ordered = rows.with_columns(arrival=arrivals.gather(rows["user"]), rank=rank)
            ordered = ordered.sort("arrival", "user", "rank", maintain_order=True)
            _walk(result, ordered, owners, asked.select(_KEY).rows())
            named = rows["user"].unique()
        if int(unknown.sum()) > len(rows.filter("unknown")["user"].unique() if len(named) else named):
            raise InputError("A user has neither an mpid nor an identity.", "")

    def _owners(self, asked: pl.DataFrame) -> list[int | None]:
        """The owner of each asked identity before this part, None for nobody."""
        wanted = asked.lazy().select(_KEY)
        seen = self._store.read("identities", self._manifest)
        if len(asked) < 1000:
            seen = seen.filter(pl.col("value").is_in(asked["value"].to_list()))
        stored = seen.join(wanted, on=_KEY, how="semi").select(*_KEY, "arrival", "profile").collect()
        profiles = stored.select("profile").unique()
        known = self._store.read("profiles", self._manifest).join(profiles.lazy(), on="profile", how="semi").collect()
        history = stored.join(known.select("profile", "mpid"), on="profile").select(*_KEY, "arrival", "mpid")
        fresh = [claims.join(asked, on=_KEY, how="semi") for claims in self._claims]
        last = pl.concat([history, *fresh]).sort("arrival", maintain_order=True)
        last = last.unique(_KEY, keep="last", maintain_order=True).select(*_KEY, "mpid")
        return asked.join(last, on=_KEY, how="left", maintain_order="left")["mpid"].to_list()


def _owner(owner: int | None, identity: tuple[str, str]) -> int:
    return derived_mpid(*identity) if owner is None else owner


def _walk(result: Mpids, rows: pl.DataFrame, owners: list[int | None], identities: list[tuple[str, str]]) -> None:
    """Users one after the other, as they arrived: an identity that changes hands is found with its newest owner."""
    users, codes, unknown = (rows[name].to_list() for name in ("user", "code", "unknown"))
    start, count = 0, len(users)
    while start < count:
        user, end = users[start], start + 1
        while end < count and users[end] == user:
            end += 1
        if unknown[start]:
            found = next((owners[code] for code in codes[start:end] if owners[code] is not None), None)
            result[user] = _owner(found, identities[codes[start]])
        mpid = int(result[user])
        for code in codes[start:end]:
            owners[code] = mpid
        start = end
