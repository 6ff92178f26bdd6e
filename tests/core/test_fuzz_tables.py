"""Whatever a table and a mapping hold, a load ends in a report or a CoreError; bulk reading is reading one by one."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.cells import tagged_cells
from core.data.delimited import Chunk, read_delimited
from core.data.guess import guess_mapping, preview
from core.data.mapping import Mapping
from core.data.moments import moments_ms
from core.data.schema import FIELDS
from core.data.store import Store
from core.data.tables import load_table
from core.data.values import moment_ms, tagged
from core.errors import CoreError

FRAGMENTS = st.sampled_from(
    [
        b"user",
        b"ts",
        b"event",
        b"a",
        b",",
        b";",
        b" ",
        b"\n",
        b"\r\n",
        b'"',
        b'""',
        b"2024-05-01",
        b"1714558830",
        b"\xff",
    ]
)
TEXTS = st.lists(FRAGMENTS | st.binary(max_size=3), max_size=60).map(b"".join)
HEADED = TEXTS.map(lambda rest: b"user,ts,event,a\n" + rest)
COLUMNS = st.sampled_from(["user", "ts", "event", "a", "missing", ""])
KINDS = st.sampled_from(["custom", "attribution", "ecommerce", "screen_view", "session", "uninstall", "shop"])
TIMES = st.fixed_dictionaries(
    {"column": COLUMNS},
    optional={
        "unit": st.sampled_from(["iso", "s", "ms", "us", "h"]),
        "timezone": st.sampled_from(["UTC", "Europe/Paris", "America/Sao_Paulo", "X"]),
    },
)
MAPPINGS = st.fixed_dictionaries(
    {
        "user": st.fixed_dictionaries(
            {"column": COLUMNS}, optional={"identity_type": st.just("email"), "as": st.just("mpid")}
        ),
        "time": TIMES,
        "event": st.fixed_dictionaries({}, optional={"column": COLUMNS, "value": st.just("purchase")}),
    },
    optional={
        "rows": st.sampled_from(["events", "profiles"]),
        "kinds": st.dictionaries(st.sampled_from(["a", "e"]), st.fixed_dictionaries({"kind": KINDS}), max_size=2),
        "default_kind": KINDS,
        "attributes": st.just("rest") | st.lists(COLUMNS, max_size=3),
        "fields": st.dictionaries(st.sampled_from(FIELDS), COLUMNS, max_size=3),
        "product": st.dictionaries(st.sampled_from(["name", "price"]), COLUMNS, max_size=2),
        "user_attributes": st.lists(COLUMNS, max_size=2),
        "identities": st.dictionaries(st.sampled_from(["email", "customer_id", "x"]), COLUMNS, max_size=2),
        "location": st.dictionaries(st.sampled_from(["city", "latitude"]), COLUMNS, max_size=2),
        "message_id": COLUMNS,
        "nulls": st.lists(st.sampled_from(["", "a", "NULL"]), max_size=2),
        "delimiter": st.sampled_from([",", ";", " ", "\t", '"', ""]),
        "header": st.booleans(),
        "columns": st.lists(COLUMNS, max_size=4),
    },
)
HAVE = st.sampled_from(["user", "ts", "event", "a"])
SOUND = st.fixed_dictionaries(
    {
        "user": st.sampled_from([{"identity_type": "email"}, {"as": "mpid"}]).flatmap(
            lambda user: HAVE.map(lambda column: {"column": column, **user})
        ),
        "time": st.fixed_dictionaries(
            {"column": st.just("ts")},
            optional={"unit": st.sampled_from(["iso", "s"]), "timezone": st.sampled_from(["UTC", "Europe/Paris"])},
        ),
        "event": st.fixed_dictionaries({"column": HAVE}) | st.just({"value": "purchase"}),
    },
    optional={
        "kinds": st.dictionaries(
            st.sampled_from(["a", "e", "user"]),
            st.fixed_dictionaries(
                {"kind": st.sampled_from(["attribution", "screen_view", "session", "uninstall", "crash"])}
            ),
            max_size=2,
        ),
        "default_kind": st.sampled_from(["custom", "ecommerce", "session", "attribution"]),
        "attributes": st.just("rest") | st.lists(HAVE, max_size=3),
        "fields": st.dictionaries(st.sampled_from(FIELDS), HAVE, max_size=3),
        "product": st.dictionaries(st.sampled_from(["name", "price"]), HAVE, max_size=2),
        "user_attributes": st.lists(HAVE, max_size=2),
        "identities": st.dictionaries(st.sampled_from(["customer_id", "x"]), HAVE, max_size=2),
        "location": st.dictionaries(st.sampled_from(["latitude"]), HAVE, max_size=1),
        "message_id": HAVE,
        "nulls": st.lists(st.sampled_from(["", "a"]), max_size=2),
    },
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "7", "", "-1"]),
        st.sampled_from(["2024-05-01", "1714558830", "2024-03-31 02:30:00", "", "x"]),
        st.sampled_from(["a", "e", "purchase", "attribution", ""]),
        st.sampled_from(["", "a", "é", "34.50", "delete", "x" * 300]),
    ).map(",".join),
    max_size=12,
).map(lambda rows: "\n".join(["user,ts,event,a", *rows]).encode())
PLAIN: dict[str, Any] = {
    "user": {"column": "user", "identity_type": "customer_id"},
    "time": {"column": "ts"},
    "event": {"column": "event"},
    "attributes": "rest",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


_numbers = itertools.count()


def _load(place: Path, table: Any, mapping: Any) -> Any:
    store = Store.create(place / f"dataset-{next(_numbers)}")
    try:
        return load_table(store, table, mapping, workspace="w", input="i", kind="platform")
    except CoreError as error:
        assert error.message
        return None


@given(TEXTS | HEADED, MAPPINGS)
def test_any_text_by_any_mapping(place: Path, text: bytes, mapping: dict[str, Any]) -> None:
    path = place / "table.csv"
    path.write_bytes(text)
    _load(place, path, mapping)


@given(HEADED)
def test_any_text_loads_what_can_be_read(place: Path, text: bytes) -> None:
    path = place / "table.csv"
    path.write_bytes(text)
    report = _load(place, path, PLAIN)
    if report is not None:
        lines = [refusal.line for refusal in report.refusals]
        assert lines == sorted(lines)
        assert report.events + len(lines) <= len(text.split(b"\n"))


@given(ROWS, SOUND)
def test_any_rows_by_a_mapping_that_fits(place: Path, text: bytes, mapping: dict[str, Any]) -> None:
    path = place / "table.csv"
    path.write_bytes(text)
    report = _load(place, path, mapping)
    if report is not None:
        rows = len([line for line in text.split(b"\n")[1:] if line])
        assert report.events + report.duplicates + len(report.refusals) == rows


@given(TEXTS)
def test_any_text_can_be_guessed_and_previewed(place: Path, text: bytes) -> None:
    path = place / "table.csv"
    path.write_bytes(text)
    try:
        preview(path, guess_mapping(path))
    except CoreError as error:
        assert error.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3) | st.integers(),
        lambda part: st.lists(part) | st.dictionaries(st.text(max_size=8), part),
    )
)
def test_any_document_as_a_mapping(document: Any) -> None:
    try:
        assert Mapping.from_dict(document)
    except CoreError as error:
        assert error.message.startswith("mapping: ")


# -- delimited text --------------------------------------------------------------------------------------------------


def _read(text: bytes, block_bytes: int, delimiter: str = ",") -> tuple[list[Any], list[int], list[Any]]:
    chunks: list[Chunk] = list(read_delimited(io.BytesIO(text), delimiter, True, None, block_bytes))
    rows = [row for chunk in chunks for row in chunk.frame.rows()]
    return rows, [n for chunk in chunks for n in chunk.lines], [row for chunk in chunks for row in chunk.refused.rows()]


@given(HEADED, st.integers(1, 40))
def test_the_size_of_blocks_does_not_matter(text: bytes, block_bytes: int) -> None:
    assert _read(text, block_bytes) == _read(text, 1 << 20)


CELLS = st.text(st.sampled_from('ab,;"\n\r é '), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.integers(1, 200), st.sampled_from(",;\t"))
def test_what_the_standard_library_writes_is_read_back(
    rows: list[tuple[str, ...]], block_bytes: int, delimiter: str
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("x", "y", "z"), *rows])
    read, lines, refused = _read(written.getvalue().encode(), block_bytes, delimiter)
    assert (read, refused) == (rows, [])
    starts = itertools.accumulate((1 + "".join(row).count("\n") for row in rows), initial=2)
    assert lines == list(starts)[: len(rows)]


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters='",\n\r', codec="utf-8"), max_size=4), min_size=1, max_size=4)
    )
)
def test_unquoted_lines_are_rows_or_refused_by_their_width(lines: list[list[str]]) -> None:
    text = "\n".join(["x,y", *(",".join(line) for line in lines)]).encode()
    rows, numbers, refused = _read(text, 64)
    numbered = [(number, line) for number, line in enumerate(lines, 2) if line != [""]]
    assert list(zip(numbers, rows, strict=True)) == [(n, tuple(line)) for n, line in numbered if len(line) == 2]
    assert refused == [(n, f"{len(line)} fields, not 2") for n, line in numbered if len(line) != 2]


# -- cells -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1).map(float)))
def test_numbers_in_columns_read_as_one_by_one(values: list[float | None]) -> None:
    cells = pl.Series(values, dtype=pl.Float64)
    assert tagged_cells(cells).to_list() == [None if value is None else tagged(value) for value in values]


@given(st.lists(st.none() | st.lists(st.none() | st.text(max_size=5) | st.sampled_from(['"', "\n", "\\"]))))
def test_lists_in_columns_read_as_one_by_one(values: list[Any]) -> None:
    cells = pl.Series(values, dtype=pl.List(pl.String))
    assert tagged_cells(cells).to_list() == [None if value is None else tagged(value) for value in values]


ISO = st.from_regex(
    r"\A(19|20)\d\d-[01]\d-[0-3]\d([T ][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,6})?)?(Z|[+-][01]\d:[0-5]\d)?)?\Z"
)


@given(st.lists(ISO, max_size=6))
def test_times_in_columns_read_as_one_by_one(texts: list[str]) -> None:
    assert moments_ms(pl.Series(texts, dtype=pl.String), "iso", "UTC").to_list() == [moment_ms(text) for text in texts]
