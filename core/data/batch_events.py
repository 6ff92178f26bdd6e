"""The events of many batches as one frame: kinds, names, fields, attribute bags, products (DEFINITION 3.1, 3.2, 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import orjson
import polars as pl

from core.data.batch_columns import Object, Objects, bags, cut, flags, lists, scalars, singles, texts, values
from core.data.batch_pieces import COMMERCE, Pieces
from core.data.batch_shapes import (
    ACTION_KEYS,
    CRASH_FIELDS,
    PLACE_KEYS,
    PRODUCT_KEYS,
    PROMOTION_KEYS,
    Limits,
    Odd,
    says,
)
from core.data.schema import PLACE_FIELDS

_ACTIONS: Final = {"remove_from_wishlist": "remove_from_wish_list", "add_to_wish_list": "add_to_wishlist"}

Rows = list[int]
Columns = dict[str, Any]


def event_rows(pieces: Pieces) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row an event, or two (install and upgrade): `row` (its number), kind, name, custom_type, also, own fields;
    and the products, by number of the event."""
    frames = []
    limits = pieces.limits
    for kind, rows in _rows_of(pieces.kinds):
        if kind == COMMERCE:
            columns = _commerce(pieces)
        else:
            columns = _READERS.get(kind, _other)(kind, pieces.datas.rows(rows), limits)
        extra = columns.pop("upgraded", [])
        frame = _frame(rows, columns, limits)
        frames.append(frame)
        if extra:
            frames.append(_frame([rows[at] for at in extra], {"kind": "upgrade", "also": True}, limits))
    return pl.concat(frames, how="diagonal").sort("row", "also", nulls_last=False), _products(pieces)


def _rows_of(kinds: Sequence[str]) -> Iterator[tuple[str, Rows]]:
    """Each kind with the rows that have it, in the order in which kinds come."""
    given = pl.Series(kinds, dtype=pl.String)
    distinct = given.unique(maintain_order=True)
    codes = given.cast(pl.Enum(distinct)).to_physical().to_numpy()
    for code, kind in enumerate(distinct):
        yield kind, np.flatnonzero(codes == code).tolist()


def _frame(rows: Rows, columns: Columns, limits: Limits) -> pl.DataFrame:
    series: list[pl.Series | pl.Expr] = [pl.Series("row", rows, dtype=pl.UInt32)]
    constants = []
    for name, found in columns.items():
        if isinstance(found, pl.Series):
            series.append(found.alias(name))
        elif isinstance(found, list):
            column = pl.Series(name, found, dtype=pl.String)
            series.append(cut(column, Limits.NAME, limits) if name == "name" else column)
        elif found is not None:
            constants.append(pl.lit(found).alias(name))
    if "also" not in columns:
        constants.append(pl.lit(False).alias("also"))
    return pl.DataFrame(series).with_columns(constants)


def _plain(kind: str) -> Callable[[str, Objects, Limits], Columns]:
    return lambda _type, _datas, _limits: {"kind": kind}


def _other(kind: str, datas: Objects, limits: Limits) -> Columns:
    return {"kind": "other", "name": [kind] * len(datas)}


def _session_end(kind: str, datas: Objects, limits: Limits) -> Columns:
    duration = singles(datas, "session_duration_ms", "session_duration_ms", limits)
    return {"kind": "session_end", "session_duration_ms": duration}


def _screen_view(kind: str, datas: Objects, limits: Limits) -> Columns:
    names = texts(datas, "screen_name")
    return {"kind": "screen_view", "name": names, "screen_name": scalars(names, "screen_name", limits)}


def _custom(kind: str, datas: Objects, limits: Limits) -> Columns:
    types = texts(datas, "custom_event_type")
    if "attribution" not in types:
        return {"kind": "custom", "name": texts(datas, "event_name"), "custom_type": types}
    return {
        "kind": ["attribution" if each == "attribution" else "custom" for each in types],
        "name": texts(datas, "event_name"),
        "custom_type": [None if each == "attribution" else each for each in types],
    }


def _crash(kind: str, datas: Objects, limits: Limits) -> Columns:
    return {"kind": "crash", **{name: singles(datas, name, name, limits) for name in CRASH_FIELDS}}


def _transition(kind: str, datas: Objects, limits: Limits) -> Columns:
    started = [each == "application_initialized" for each in texts(datas, "application_transition_type")]
    first = [bool(each) and on for each, on in zip(flags(datas, "is_first_run"), started, strict=True)]
    upgraded = [bool(each) and on for each, on in zip(flags(datas, "is_upgrade"), started, strict=True)]
    kinds = ["install" if one else "upgrade" if two else "other" for one, two in zip(first, upgraded, strict=True)]
    both = [at for at, (one, two) in enumerate(zip(first, upgraded, strict=True)) if one and two]
    return {"kind": kinds, "name": [kind if each == "other" else None for each in kinds], "upgraded": both}


def _commerce(pieces: Pieces) -> Columns:
    datas, actions, limits = pieces.commerce_datas, pieces.actions, pieces.limits
    promotions = bags(datas, "promotion_action")
    impressions = lists(datas, "product_impressions")
    names: list[str | None] = []
    kinds: list[str] = []
    asked = values(actions, "action")
    broken = zip(values(datas, "class_name"), values(datas, "exception_handled"), strict=True)
    for said, own, action, promotion, shown in zip(broken, asked, pieces.acted, promotions, impressions, strict=True):
        promoted = says(promotion)
        name = _action(own) if action else _promotion(promotion) if promoted else "impression" if shown else None
        bare = not (action or promoted or shown)
        crash = bare and said != (None, None)
        kinds.append("crash" if crash else "ecommerce")
        names.append(name)
    columns: Columns = {"kind": kinds, "name": names, **_commerce_fields(datas, actions, limits)}
    columns |= _several(pieces, promotions, impressions)
    if "crash" in kinds:
        for name in CRASH_FIELDS:
            told = zip(values(datas, name), kinds, strict=True)
            columns[name] = scalars([value if each == "crash" else None for value, each in told], name, limits)
    return columns


def _action(name: Any) -> str | None:
    if name is not None and type(name) is not str:
        raise Odd("action")
    return None if name is None else _ACTIONS.get(name, name)


def _promotion(promotion: Object) -> str | None:
    name = _action(promotion.get("action"))
    return None if name is None else f"promotion_{name}"


def _commerce_fields(datas: Objects, actions: Objects, limits: Limits) -> Columns:
    columns = {key: singles(actions, key, key, limits) for key in ACTION_KEYS if key != "product_action_list"}
    for key in ("currency_code", "screen_name"):
        columns[key] = singles(datas, key, key, limits)
    return columns


def _several(pieces: Pieces, promotions: list[Object], impressions: list[Any]) -> Columns:
    """The fields that hold several values: those of the promotions, and the lists that products stood in."""
    columns: Columns = {}
    limits = pieces.limits
    offered = lists(promotions, "promotions")
    if any(offered):
        for key in PROMOTION_KEYS:
            columns[f"promotion_{key}"] = _multiple([_each(objects, key) for objects in offered], key, limits)
    acted = values(pieces.actions, "product_action_list")
    if any(impressions) or acted.count(None) < len(acted):
        shown = [_each(objects, "product_impression_list") for objects in impressions]
        named = [
            others if not action else [] if own is None else [own]
            for own, others, action in zip(acted, shown, pieces.acted, strict=True)
        ]
        columns["product_list"] = _multiple(named, "product_list", limits)
    return columns


def _each(objects: list[Any], key: str) -> list[Any]:
    if not all(type(each) is dict for each in objects):
        raise Odd(key)
    return [found for each in objects if (found := each.get(key)) is not None]


def _multiple(found: list[list[Any]], name: str, limits: Limits) -> pl.Series | None:
    if not any(found):
        return None
    flat = scalars(list(chain.from_iterable(found)), name, limits)
    tags = [] if flat is None else flat.to_list()
    result: list[str | None] = []
    start = 0
    for each in found:
        end = start + len(each)
        result.append("m" + orjson.dumps(tags[start:end]).decode() if each else None)
        start = end
    return pl.Series(name, result, dtype=pl.String)


def _products(pieces: Pieces) -> pl.DataFrame:
    """The products of commerce events: event, and their fields."""
    if not pieces.products:
        return pl.DataFrame()
    events = np.repeat(np.array(pieces.commerce, np.uint32), pieces.product_counts)
    fields = (singles(pieces.products, key, key, pieces.limits) for key in PRODUCT_KEYS)
    return pl.DataFrame([pl.Series("event", events), *(field for field in fields if field is not None)])


_READERS: Final[dict[str, Callable[[str, Objects, Limits], Columns]]] = {
    "session_start": _plain("session"),
    "session_end": _session_end,
    "screen_view": _screen_view,
    "custom_event": _custom,
    "crash_report": _crash,
    "first_run": _plain("install"),
    "uninstall": _plain("uninstall"),
    "application_state_transition": _transition,
}


def places(objects: list[Object], limits: Limits) -> pl.DataFrame | None:
    """The place fields (tagged) of locations, one row each; None when none has any."""
    if not any(objects):
        return None
    found = Objects(*PLACE_KEYS)
    found.add(objects)
    named = zip(PLACE_FIELDS, PLACE_KEYS, strict=True)
    columns = {field: singles(found, key, field, limits) for field, key in named}
    if all(column is None for column in columns.values()):
        return None
    blank = pl.Series([None] * len(objects), dtype=pl.String)
    return pl.DataFrame([(blank if column is None else column).alias(field) for field, column in columns.items()])
