"""The durable Parquet as DuckDB views: plain SQL over everything that a version of a dataset holds (docs/sql.md).

Views name profiles by their mpid, times are UTC milliseconds (`..._ms`). Free-form values stay tagged strings
(`core.data.values`); the reading rules of DEFINITION 3.2 are macros beside the views.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from core.data.manifest import Manifest
from core.data.schema import TABLES, held_columns
from core.data.store import Store
from core.data.values import DATE_PATTERN, NUMBER_PATTERN

_FITTING: Final = r"^[+-]?(?:[0-9]{0,20}\.?[0-9]{0,18}|[0-9]{0,10}\.?[0-9]{0,8}[eE][+-]?[0-9])$"
"""Texts of numbers that DECIMAL(38, 18) holds without a loss."""

_CLOCK: Final = (
    r"^.{10}[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)?$"
)

MACROS: Final[dict[str, str]] = {
    "text_of(v)": "CASE WHEN v[1] IN ('s', 'n', 'b') THEN substr(v, 2) END",
    "lower_of(t)": (
        # DuckDB lower-cases one character at a time; Unicode makes two of İ, and ς of the Σ that ends a word.
        "lower(regexp_replace(replace(t, 'İ', 'i̇'), "
        r"'(\p{L}[\p{M}''’.:·]*)Σ([\p{M}''’.:·]*(?:[^\p{L}\p{M}''’.:·]|$))', '\1ς\2', 'g'))"
    ),
    "number_of(v)": (
        f"CASE WHEN v[1] IN ('s', 'n') AND regexp_matches(substr(v, 2), '{NUMBER_PATTERN}') "
        "THEN TRY_CAST(substr(v, 2) AS DOUBLE) END"
    ),
    "decimal_of(v)": (
        f"CASE WHEN number_of(v) IS NOT NULL AND regexp_matches(substr(v, 2), '{_FITTING}') "
        "THEN TRY_CAST(substr(v, 2) AS DECIMAL(38, 18)) END"
    ),
    "exact_of(v)": (
        "CASE WHEN number_of(v) IS NOT NULL THEN coalesce(decimal_of(v), "
        "CAST(error('DECIMAL(38, 18) cannot hold the number ' || substr(v, 2)) AS DECIMAL(38, 18))) END"
    ),
    "digits_of(t)": (
        r"lpad(ltrim(regexp_extract(t, '^[+-]?([0-9]*)', 1), '0'), 400, '0') "
        r"|| '.' || rtrim(regexp_extract(t, '\.([0-9]*)', 1), '0')"
    ),
    "number_order(v, bound)": (  # where DOUBLE sees no difference, the digits tell
        "CASE WHEN number_of(v) > CAST(bound AS DOUBLE) THEN 1 WHEN number_of(v) < CAST(bound AS DOUBLE) THEN -1 "
        "WHEN number_of(v) IS NOT NULL THEN CASE WHEN contains(lower(v), 'e') OR digits_of(substr(v, 2)) = "
        "digits_of(bound) THEN 0 WHEN (digits_of(substr(v, 2)) > digits_of(bound)) <> (bound[1] = '-') THEN 1 "
        "ELSE -1 END END"
    ),
    "boolean_of(v)": (
        "CASE WHEN v[1] IN ('s', 'b') AND lower(substr(v, 2)) = 'true' THEN TRUE "
        "WHEN v[1] IN ('s', 'b') AND lower(substr(v, 2)) = 'false' THEN FALSE END"
    ),
    "version_of(v)": (  # parts of one width are in the order of their numbers
        "CASE WHEN v[1] IN ('s', 'n') AND regexp_full_match(substr(v, 2), '[0-9]+(\\.[0-9]+)*') THEN array_to_string("
        "[lpad(ltrim(part, '0'), 40, '0') FOR part IN "
        "string_split(regexp_replace(substr(v, 2), '(^|\\.)0+(\\.0+)*$', ''), '.') IF part <> ''], '.') END"
    ),
    "clock_of(t, part)": f"coalesce(TRY_CAST(regexp_extract(t, '{_CLOCK}', part) AS BIGINT), 0)",
    "zone_minutes_of(t)": (
        f"CASE regexp_extract(t, '{_CLOCK}', 5) WHEN '-' THEN -1 ELSE 1 END * (clock_of(t, 6) * 60 + clock_of(t, 7))"
    ),
    "date_of(v)": (
        f"CASE WHEN v[1] = 's' AND regexp_matches(substr(v, 2), '{DATE_PATTERN}') AND substr(v, 2, 4) <> '0000' "
        "AND clock_of(substr(v, 2), 1) < 24 AND clock_of(substr(v, 2), 2) < 60 AND clock_of(substr(v, 2), 3) < 60 "
        "AND abs(zone_minutes_of(substr(v, 2))) < 1440 THEN "
        "epoch_ms(CAST(TRY_CAST(substr(v, 2, 10) AS DATE) AS TIMESTAMP)) + clock_of(substr(v, 2), 1) * 3600000 "
        "+ (clock_of(substr(v, 2), 2) - zone_minutes_of(substr(v, 2))) * 60000 + clock_of(substr(v, 2), 3) * 1000 "
        f"+ CAST(rpad(left(regexp_extract(substr(v, 2), '{_CLOCK}', 4), 3), 3, '0') AS BIGINT) END"
    ),
    "elements_of(v)": "CASE WHEN v[1] = 'l' THEN CAST(CAST(substr(v, 2) AS JSON) AS VARCHAR[]) END",
    "values_of(v)": "CASE WHEN v[1] = 'm' THEN CAST(CAST(substr(v, 2) AS JSON) AS VARCHAR[]) ELSE [v] END",
    "attribute_of(bag, name)": "list_filter(bag, lambda each: each.key = name)[-1].value",
    "distance_km(lat, lon, lat0, lon0)": (
        "2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin((radians(lat) - radians(lat0)) / 2), 2) "
        "+ cos(radians(lat)) * cos(radians(lat0)) * pow(sin((radians(lon) - radians(lon0)) / 2), 2))))"
    ),
    "calendar_ms(moment_ms, unit, step)": (
        "epoch_ms(date_trunc(unit, make_timestamp_ms(moment_ms)) + CASE unit WHEN 'day' THEN to_days(step) "
        "WHEN 'week' THEN to_days(7 * step) WHEN 'month' THEN to_months(step) WHEN 'quarter' THEN to_months(3 * step) "
        "ELSE to_months(12 * step) END)"
    ),
}
"""Macros by their heads: how tagged values are read, and what criteria calculate. Later ones use earlier ones."""

_TYPES: Final[dict[pl.DataType, str]] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.UInt64(): "UBIGINT",
    pl.UInt32(): "UINTEGER",
    pl.Float64(): "DOUBLE",
    pl.Boolean(): "BOOLEAN",
}
_MOMENTS: Final = {"events": "timestamp_ms"}
"""The column that says when, where it is not `time_ms`."""


Part = tuple[Store, Manifest]
"""Where some of the profiles are with all their records: a shard, or the whole dataset."""


def views(store: Store, manifest: Manifest) -> str:
    """DuckDB statements that create (or replace) the macros and the views over one version's files."""
    parts = [(part, part.manifest() if manifest.shards else manifest) for part in store.parts(manifest)]
    macros = [f"CREATE OR REPLACE MACRO {head} AS {body};" for head, body in MACROS.items()]
    made = [f"CREATE OR REPLACE VIEW {name} AS\n{body};" for name, body in _views(parts, manifest).items()]
    return "\n".join([f"-- Version {manifest.version} of a dataset, as DuckDB sees it.", *macros, *made, ""])


def _views(parts: list[Part], manifest: Manifest) -> dict[str, str]:
    made = {"profiles": _union(f"SELECT mpid, profile, hash FROM {_files(part, 'profiles')}" for part in parts)}
    for table in TABLES:
        if table != "profiles":
            made[table] = _union(_view(part, table, _tier(manifest)) for part in parts)
    made["products"] = (
        "SELECT e.mpid, e.workspace, e.input, e.kind, e.name AS event_name, e.timestamp_ms, e.day, e.arrival, e.tier, "
        "product.*\n"
        "FROM events AS e, unnest(e.products) AS p(product)"
    )
    made["activity"] = _union(
        ("SELECT mpid, workspace, time_ms FROM batches", "SELECT mpid, workspace, timestamp_ms FROM events")
    )
    days = manifest.profile_retention_days
    kept = "NULL" if days is None else round(days * 86_400_000)
    made["settings"] = f"SELECT CAST({kept} AS BIGINT) AS profile_retention_ms"
    return made


def _union(selects: Iterable[str]) -> str:
    return "\nUNION ALL\n".join(selects)


def _view(part: Part, table: str, tier: str) -> str:
    when = _MOMENTS.get(table, "time_ms")
    columns = [name for name in TABLES[table] if name != "profile"]
    selected = ["p.mpid", *(f"t.{_quoted(name)}" for name in columns)]
    selected.append(f"CAST(epoch_ms(t.{when}) AS DATE) AS day")
    if table == "events":
        selected.append(f"{tier} AS tier")
    return (
        f"SELECT {', '.join(selected)}\nFROM {_files(part, table)} AS t\n"
        f"JOIN {_files(part, 'profiles')} AS p ON p.profile = t.profile"
    )


def _files(part: Part, table: str) -> str:
    """The table's rows with all of its columns: its Parquet files, or no row."""
    store, manifest = part
    files = store.files(table, manifest)
    held = {name for file in files for name in held_columns(file)}
    columns = ", ".join(
        # The cast gives products the fields that no file has.
        _quoted(name)
        if name in held and not kind.is_nested()
        else f"CAST({_quoted(name) if name in held else 'NULL'} AS {_type(kind)}) AS {_quoted(name)}"
        for name, kind in TABLES[table].items()
    )
    if not files:
        return f"(SELECT {columns} WHERE FALSE)"
    listed = ", ".join(_text(str(file.resolve())) for file in files)
    return f"(SELECT {columns} FROM read_parquet([{listed}], union_by_name = true))"


def _tier(manifest: Manifest) -> str:
    """The tier of an event by its workspace, kind and name; without an entry it is personalize."""
    cases = [
        f"WHEN t.workspace = {_text(workspace)} AND t.kind = {_text(kind)} "
        f"AND t.name IS NOT DISTINCT FROM {'NULL' if name is None else _text(name)} THEN {_text(tier)}"
        for workspace, settings in manifest.workspaces.items()
        for (kind, name), tier in settings.tiers.items()
    ]
    return f"CASE {' '.join(cases)} ELSE 'personalize' END" if cases else "'personalize'"


def _type(kind: pl.DataType) -> str:
    if isinstance(kind, pl.List):
        return f"{_type(kind.inner)}[]"  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return f"STRUCT({', '.join(f'{_quoted(each.name)} {_type(each.dtype)}' for each in kind.fields)})"  # type: ignore[arg-type]
    return _TYPES[kind]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return f'"{name}"'
