"""The events of many batches as one frame: kinds, names, fields, attribute bags, products (DEFINITION 3.1, 3.2, 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Final

import numpy as np
import orjson
import polars as pl
from msgspec import Struct

from core.data.batch_columns import SCALAR, Fields, Object, cut, nulls
from core.data.batch_limits import Limits
from core.data.batch_pieces import COMMERCE, CUSTOM, UNINSTALL, Pieces
from core.data.batch_shapes import ACTION_KEYS, PLACE_KEYS, PRODUCT_KEYS, PROMOTION_KEYS
from core.data.schema import PLACE_FIELDS

_ACTIONS: Final = {"remove_from_wishlist": "remove_from_wish_list", "add_to_wish_list": "add_to_wishlist"}
_CRASH: Final = "crash_report"
_SCREEN: Final = "screen_view"
_TRANSITION: Final = "application_state_transition"
_KINDS: Final = {
    CUSTOM: "custom",
    COMMERCE: "ecommerce",
    _SCREEN: "screen_view",
    "session_start": "session",
    "session_end": "session_end",
    _CRASH: "crash",
    "first_run": "install",
    UNINSTALL: "uninstall",
}
_FIELDS: Final = {
    "screen_name": (_SCREEN, COMMERCE),
    "currency_code": (COMMERCE,),
    "session_duration_ms": ("session_end",),
    "class_name": (_CRASH,),
    "severity": (_CRASH,),
    "message": (_CRASH,),
    "exception_handled": (_CRASH,),
}
"""What only events of some types are asked for."""


def event_rows(pieces: Pieces) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row an event, or two (install and upgrade): `row` (its number), kind, name, custom_type, also, own fields;
    and the products, by number of the event."""
    return _Events(pieces).rows(), _products(pieces)


class _Events:
    """The columns of events."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces, self._datas, self._limits = pieces, pieces.datas, pieces.limits
        types = pl.concat(pieces.types)
        given = types.unique(maintain_order=True)
        codes = types.cast(pl.Enum(given)).to_physical()
        self._of = {kind: codes == code for code, kind in enumerate(given)}
        """Which are of each type."""
        own = pl.Series([None if kind in _KINDS else kind for kind in given], dtype=pl.String)
        self._columns: dict[str, pl.Series] = {
            "kind": pl.Series([_KINDS.get(kind, "other") for kind in given], dtype=pl.String).gather(codes),
            "name": own.gather(codes),
        }

    def rows(self) -> pl.DataFrame:
        """All of them."""
        both = None
        if CUSTOM in self._of:
            self._custom(self._of[CUSTOM])
        if _SCREEN in self._of:
            self._set("name", self._of[_SCREEN], self._datas.filled("screen_name"))
        if COMMERCE in self._of:
            self._commerce()
        if _TRANSITION in self._of:
            both = self._transitions(self._of[_TRANSITION])
        for field, types in _FIELDS.items():
            masks = [self._of[kind] for kind in types if kind in self._of]
            if masks and (said := self._datas.single(field, reduce(or_, masks))) is not None:
                self._columns[field] = said
        self._columns["name"] = cut(self._columns["name"], Limits.NAME, self._limits)
        columns = [column.alias(name) for name, column in self._columns.items()]
        frame = pl.DataFrame(columns).with_row_index("row").with_columns(also=pl.lit(False))
        if both is None or not both.any():
            return frame
        upgrades = frame.filter(both).select("row", kind=pl.lit("upgrade"), also=pl.lit(True))
        return pl.concat([frame, upgrades], how="diagonal").sort("row", "also")

    def _set(self, column: str, mask: pl.Series, values: pl.Series) -> None:
        self._columns[column] = values.zip_with(mask, self._columns[column])

    def _custom(self, mask: pl.Series) -> None:
        self._set("name", mask, self._datas.filled("event_name"))
        kinds = self._datas.column("custom_event_type")
        if kinds is None:
            return
        attribution = mask & (kinds == "attribution").fill_null(False)
        if attribution.any():
            self._columns["kind"] = self._columns["kind"].set(attribution, "attribution")
        self._columns["custom_type"] = kinds.set(~mask | attribution, None)

    def _transitions(self, mask: pl.Series) -> pl.Series:
        """Makes installs and upgrades of transitions; which of them are both."""
        how = self._datas.filled("application_transition_type")
        started = mask & (how == "application_initialized").fill_null(False)
        first, upgrade = (
            started & self._datas.filled(flag).fill_null(False) for flag in ("is_first_run", "is_upgrade")
        )
        self._columns["kind"] = self._columns["kind"].set(upgrade, "upgrade").set(first, "install")
        self._columns["name"] = self._columns["name"].set(first | upgrade, None)
        return first & upgrade

    def _commerce(self) -> None:
        """What commerce events say; those that are crashes become such."""
        pieces, size = self._pieces, len(self._datas)
        numbers = pl.Series(pieces.commerce, dtype=pl.UInt32)
        places = nulls(size, pl.UInt32()).scatter(numbers, range(len(numbers)))
        names = pieces.actions.filled("action").replace(_ACTIONS)
        others = [at for at, acted in enumerate(pieces.acted) if not acted]
        if others:
            names = names.scatter(others, pl.Series([self._shown(at) for at in others], dtype=pl.String))
        self._set("name", self._of[COMMERCE], names.gather(places))
        for name in ACTION_KEYS:
            if name != "product_action_list" and (field := pieces.actions.single(name)) is not None:
                self._columns[name] = field.gather(places)
        for name, lists in self._lists():
            if lists:
                texts = pl.Series(["m" + orjson.dumps(each).decode() for each in lists.values()], dtype=pl.String)
                nothing = nulls(size)
                self._columns[name] = nothing.scatter(numbers.gather([*lists]), texts)
        if pieces.crashes:
            crashes = pl.repeat(False, size, eager=True).scatter(numbers.gather(pieces.crashes), True)
            self._columns["kind"] = self._columns["kind"].set(crashes, "crash")
            self._of[_CRASH] = self._of[_CRASH] | crashes if _CRASH in self._of else crashes

    def _shown(self, at: int) -> str | None:
        """The name of a commerce event without a product action."""
        promotion = self._pieces.promotions.get(at)
        if promotion is None:
            return "impression" if at in self._pieces.impressions else None
        name: str | None = promotion.action  # brought into shape it may be none
        return None if name is None else f"promotion_{_ACTIONS.get(name, name)}"

    def _lists(self) -> Iterator[tuple[str, dict[int, list[str]]]]:
        """The fields that hold several values: those of promotions, and the lists that products stood in."""
        pieces = self._pieces
        for name in PROMOTION_KEYS:
            offered = {at: self._each(each.promotions, name) for at, each in pieces.promotions.items()}
            yield f"promotion_{name}", {at: found for at, found in offered.items() if found}
        own = pieces.actions.single("product_action_list")
        lists = {} if own is None else {at: [each] for at, each in enumerate(own) if each is not None}
        for at, shown in pieces.impressions.items():
            if not pieces.acted[at] and (found := self._each(shown, "product_impression_list")):
                lists[at] = found
        yield "product_list", lists

    def _each(self, objects: Sequence[Struct] | None, name: str) -> list[str]:
        found = [getattr(each, name) for each in objects or ()]
        return [self._limits.single(each) for each in found if each is not None]


def _products(pieces: Pieces) -> pl.DataFrame:
    """The products of commerce events: event, and their fields."""
    if not len(pieces.products):
        return pl.DataFrame()
    events = np.repeat(np.array(pieces.commerce, np.uint32), pieces.product_counts)
    fields = (pieces.products.single(name) for name in PRODUCT_KEYS)
    return pl.DataFrame([pl.Series("event", events), *(field for field in fields if field is not None)])


def tagged_places(objects: Sequence[Object], limits: Limits) -> pl.DataFrame | None:
    """The place fields (tagged) of locations, one row each; None when none has any."""
    if not any(objects):
        return None
    found = Fields(dict.fromkeys(PLACE_KEYS, SCALAR), limits)
    found.add(len(objects), {name: [each.get(name) for each in objects] for name in PLACE_KEYS})
    columns = [found.single(name) for name in PLACE_KEYS]
    if all(column is None for column in columns):
        return None
    blank = nulls(len(objects))
    named = zip(PLACE_FIELDS, columns, strict=True)
    return pl.DataFrame([(blank if column is None else column).alias(field) for field, column in named])
