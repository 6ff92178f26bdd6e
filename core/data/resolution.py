"""Who a user without mpid is: found by its identities, else a new profile (DEFINITION 6)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.keys import KeyMap, Keys, distinct, find, keys_of
from core.data.manifest import Manifest
from core.data.schema import DEVICE_IDENTITIES, USER_IDENTITIES
from core.data.store import Store
from core.errors import InputError

_UNKNOWN: Final = len(USER_IDENTITIES)
_RANKS: Final = {
    **{name: rank for rank, name in enumerate(USER_IDENTITIES)},
    **{name: _UNKNOWN + 1 + rank for rank, name in enumerate(DEVICE_IDENTITIES)},
}
_KEY: Final = ["identity_type", "value"]
_CLAIMS: Final = 500_000
"""Claims of users with mpid are put off until somebody asks, up to this many."""

Mpids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def derived_mpid(identity_type: str, value: str) -> int:
    """The mpid of a profile that is made because nobody owns the identity: xxh3-64 of `type:value`, signed."""
    unsigned = xxhash.xxh3_64_intdigest(f"{identity_type}:{value}".encode())
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


class Owners:
    """Which profile each identity belongs to: the one that arrived with it last, in the dataset or the load so far."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self._store, self._manifest = store, manifest
        self._owners = KeyMap()
        self._claims: list[tuple[pl.DataFrame, Mpids]] = []

    def resolve(self, mpids: pl.Series, arrivals: pl.Series, identities: pl.DataFrame | None) -> Mpids:
        """The mpid of each user of a part; a user's own, where given, stands.

        `identities`: user (row number in `mpids`), identity_type, value, in document order; claimed by the users.
        Raises InputError for a user with neither mpid nor identity.
        """
        unknown = mpids.is_null().to_numpy()
        known = mpids.fill_null(0) if unknown.any() else mpids
        result: Mpids = np.array(known.to_numpy(), dtype=np.int64)
        users = np.empty(0, dtype=np.uint32) if identities is None else identities["user"].to_numpy()
        if unknown.any():
            named = np.zeros(len(unknown), dtype=bool)
            named[users] = True
            if identities is None or (unknown & ~named).any():
                raise InputError("A user has neither an mpid nor an identity.", "Give one of them.")
            self._settle()
            self._find(result, unknown, arrivals.to_numpy(), identities)
        elif identities is not None and len(identities):
            self._claims.append((identities.select(_KEY), result[users]))
            if sum(len(claimed) for claimed, _ in self._claims) > _CLAIMS:
                self._settle()
        return result

    def _settle(self) -> None:
        for claimed, mpids in self._claims:
            self._owners.put(_keys(claimed), mpids)
        self._claims = []

    def _find(self, result: Mpids, unknown: Mask, arrivals: Mpids, identities: pl.DataFrame) -> None:
        users, keys = identities["user"].to_numpy(), _keys(identities)
        asked = distinct(keys[:, unknown[users]])
        codes = find(asked, keys)
        rows = np.flatnonzero(codes >= 0)
        first = rows[np.unique(codes[rows], return_index=True)[1]]
        named = identities.select(_KEY)[first]
        owned, owners = self._known(asked, named)
        if unknown[users[rows]].all() and len(np.unique(users[rows])) == len(rows):
            names = named.filter(pl.Series(~owned)).rows()
            owners[~owned] = np.array([derived_mpid(*name) for name in names], dtype=np.int64)
            result[users[rows]] = owners[codes[rows]]
        else:
            rank = pl.col("identity_type").replace_strict(_RANKS, default=_UNKNOWN, return_dtype=pl.Int64)
            ranks = identities.select(rank)["identity_type"].to_numpy()
            rows = rows[np.lexsort((rows, ranks[rows], users[rows], arrivals[users[rows]]))]
            walked = [users[rows].tolist(), codes[rows].tolist(), unknown[users[rows]].tolist()]
            last = [int(owner) if has else None for owner, has in zip(owners, owned, strict=True)]
            _walk(result, walked, last, named.rows())
        order = np.argsort(arrivals[users], kind="stable")
        self._owners.put(keys[:, order], result[users[order]])

    def _known(self, asked: Keys, names: pl.DataFrame) -> tuple[Mask, Mpids]:
        """Which asked identities have an owner before this part, and the owners."""
        owned, owners = self._owners.get(asked)
        if owned.all() or not self._manifest.profiles:
            return owned, owners
        stored = self._stored(names.filter(pl.Series(~owned)))
        at = find(asked, _keys(stored))
        owners[at] = stored["mpid"].to_numpy()
        owned[at] = True
        return owned, owners

    def _stored(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """The owners (identity_type, value, mpid) of identities in the dataset."""
        parts = self._store.parts(self._manifest)
        claims = pl.concat([self._claims_in(store, number, wanted) for number, store in enumerate(parts)])
        return claims.sort("arrival").unique(_KEY, keep="last").select(*_KEY, "mpid")

    def _claims_in(self, store: Store, number: int, wanted: pl.DataFrame) -> pl.DataFrame:
        """The last claim on each identity in one shard: identity_type, value, arrival, mpid."""
        manifest = self._manifest.part(number)
        seen = store.read("identities", manifest)
        if len(wanted) < 1000:
            seen = seen.filter(pl.col("value").is_in(wanted["value"].implode()))
        claims = seen.join(wanted.lazy(), on=_KEY, how="semi").select(*_KEY, "arrival", "profile").collect()
        last = claims.sort("arrival").unique(_KEY, keep="last")
        profiles = store.read("profiles", manifest).select("profile", "mpid")
        mine = profiles.join(last.lazy().select("profile").unique(), on="profile", how="semi").collect()
        return last.join(mine, on="profile").select(*_KEY, "arrival", "mpid")


def _keys(identities: pl.DataFrame) -> Keys:
    texts = identities.select(pl.concat_str(_KEY, separator="\0"))["identity_type"]
    return keys_of("identity", texts)


def _walk(result: Mpids, rows: list[list[Any]], owners: list[int | None], names: list[tuple[Any, ...]]) -> None:
    """Users one after the other, as they arrived: an identity that changes hands is found with its newest owner.

    `rows`: each identity's user, code and whether the user is unknown, the best identity of a user first.
    """
    users, codes, unknown = rows
    start, count = 0, len(users)
    while start < count:
        user, end = users[start], start + 1
        while end < count and users[end] == user:
            end += 1
        if unknown[start]:
            found = next((owners[code] for code in codes[start:end] if owners[code] is not None), None)
            result[user] = derived_mpid(*names[codes[start]]) if found is None else found
        mpid = int(result[user])
        for code in codes[start:end]:
            owners[code] = mpid
        start = end
