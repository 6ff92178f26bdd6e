"""Delimited text (CSV) as chunks of text columns. A line that is no row is refused alone; nothing else is lost.

Well-formed lines, checked in bulk, go to polars. The few others (a field over several lines, a stray quote) are read
one by one with the standard library. Every cell stays text: types are read later, by the operators (DEFINITION 3.2).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.errors import InputError

BLOCK_BYTES: Final = 32 << 20
LINE_BYTES: Final = 64 << 20
RECORD_LINES: Final = 1000
"""A quoted field may run over this many lines; beyond, its quote is taken for one that was never closed."""

_REFUSED: Final = pl.Schema({"line": pl.Int64(), "reason": pl.String()})


@dataclass(frozen=True)
class Chunk:
    """Rows of a table in order. `lines`: each row's line (its first; tables that are no text: its row), from 1."""

    frame: pl.DataFrame
    lines: pl.Series
    refused: pl.DataFrame
    """Columns line, reason."""


@dataclass(frozen=True)
class Dialect:
    """How lines are cut: `delimiter` is one character, a space stands for runs of spaces; quotes are doubled."""

    delimiter: str
    names: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of fields a row has."""
        return len(self.names)

    def record(self, lines: Iterator[str]) -> tuple[list[str], int]:
        """The next record and how many lines it took. csv.Error: a quote in the wrong place or never closed."""
        spaces = self.delimiter == " "
        stripped = (line.strip(" ") for line in lines) if spaces else lines
        reader = csv.reader(stripped, delimiter=self.delimiter, strict=True, skipinitialspace=spaces)
        return next(reader, []), reader.line_num


def read_delimited(
    stream: BinaryIO, delimiter: str, header: bool, columns: Sequence[str] | None, block_bytes: int = BLOCK_BYTES
) -> Iterator[Chunk]:
    """The rows of a text, chunk by chunk (about `block_bytes` each). InputError: no header line.

    `header`: the first line holds the names; else `columns` does, and without them they are column_1, column_2, ...
    There is always at least one chunk, so that the columns of a text without rows are known.
    """
    blocks = _Blocks(stream, block_bytes)
    first = blocks.first_lines()
    taken = 0
    if header:
        names, taken = _header(first, delimiter)
    elif columns is not None:
        names = tuple(columns)
    else:
        names = tuple(f"column_{n + 1}" for n in range(_fields_of(first, delimiter)))
    dialect = Dialect(delimiter, names)
    blocks.drop(taken)
    yield from blocks.chunks(dialect, taken + 1)


class _Blocks:
    """A text in blocks of whole lines; what a block leaves over opens the next one."""

    def __init__(self, stream: BinaryIO, block_bytes: int) -> None:
        self._stream, self._block_bytes = stream, block_bytes
        self._rest = b""
        self._ended = False

    def _read(self) -> None:
        more = self._stream.read(self._block_bytes)
        self._ended = not more
        self._rest += more

    def first_lines(self) -> list[bytes]:
        """The first lines of the text, without its byte order mark."""
        self._read()
        if self._rest.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError("The text is UTF-16.", "Save it as UTF-8.")
        self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
        while not self._ended and b"\n" not in self._rest:
            self._grow()
        return self._rest[: 4 << 20].split(b"\n", RECORD_LINES)

    def _grow(self) -> None:
        if len(self._rest) > LINE_BYTES:
            raise InputError(f"A line is longer than {LINE_BYTES >> 20} MB.", "This is no table of text lines.")
        self._read()

    def drop(self, lines: int) -> None:
        """Leaves out the next lines, which must have been read."""
        for _ in range(lines):
            _, _, self._rest = self._rest.partition(b"\n")

    def chunks(self, dialect: Dialect, number: int) -> Iterator[Chunk]:
        """The chunks; the first line has that `number`."""
        while True:
            block = self._whole_lines()
            clean = _clean_chunk(block, number, dialect)
            if clean is None:
                lines = _decode(block)
                chunk, used = _chunk(lines, number, dialect, last=self._ended)
                taken = used == len(lines)
            else:
                (chunk, used), taken = clean, True
            yield chunk
            if self._ended:
                return
            number += used
            if not taken:
                self._rest = b"\n".join([*block.split(b"\n")[used:], self._rest])
                self._grow()
            else:
                self._read()

    def _whole_lines(self) -> bytes:
        """Whole lines without the last line's end."""
        while not self._ended and b"\n" not in self._rest:
            self._grow()
        if self._ended:
            block, self._rest = self._rest, b""
            return block
        block, _, self._rest = self._rest.rpartition(b"\n")
        return block


def _clean_chunk(block: bytes, number: int, dialect: Dialect) -> tuple[Chunk, int] | None:
    """The chunk of a block in which every line is in order, and its number of lines; None: look at each line."""
    starts = _clean_starts(block, dialect)
    if starts is None:
        return None
    table = _parse(block, dialect)
    if table.height != len(starts):
        return None
    lines = pl.Series("line", starts + number, dtype=pl.Int64)
    return Chunk(table, lines, pl.DataFrame(schema=_REFUSED)), block.count(b"\n") + 1


def _clean_starts(block: bytes, dialect: Dialect) -> npt.NDArray[np.int64] | None:
    """The line, from 0, at which each record starts, if the whole block is well-formed: valid UTF-8, no blank line,

    quotes only around whole fields, doubled within, closed in the block, every record of the right width. Else None.
    """
    if dialect.delimiter == " " or dialect.width == 1 or not block or not _is_utf8(block):
        return None
    codes = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(codes == ord("\n"))
    delimiters = np.flatnonzero(codes == ord(dialect.delimiter))
    starts = np.arange(len(newlines) + 1)
    if b'"' in block:
        quotes = np.flatnonzero(codes == ord('"'))
        if not _quotes_well_formed(codes, quotes, dialect.delimiter):
            return None
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
        outside = np.searchsorted(quotes, newlines) % 2 == 0
        starts = np.concatenate(([0], np.flatnonzero(outside) + 1))
        newlines = newlines[outside]
    ends = np.append(newlines, len(codes))
    fields = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
    return starts if bool((fields == dialect.width).all()) else None


def _quotes_well_formed(codes: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], delimiter: str) -> bool:
    """Whether each opening quote (even) follows a field's start and each closing one (odd) a field's end follows.

    A doubled quote is a closing one with an opening one right behind it.
    """
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    edge = np.isin(np.arange(256), [ord(delimiter), ord("\n")])
    begins = np.concatenate(([True], doubled))
    begins |= edge[codes[opening - 1]] | (opening == 0)
    begins[0] = opening[0] == 0 or edge[codes[opening[0] - 1]]
    edge[ord("\r")] = True
    ends = np.concatenate((doubled, [False]))
    ends |= (closing == len(codes) - 1) | edge[codes[np.minimum(closing + 1, len(codes) - 1)]]
    return bool(begins.all() and ends.all())


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(block: bytes) -> list[str | None]:
    """The lines of a block as text, None for those that are not valid UTF-8."""
    try:
        return [*block.decode().split("\n")]
    except UnicodeDecodeError:
        return [_decode_line(line) for line in block.split(b"\n")]


def _decode_line(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _header(lines: list[bytes], delimiter: str) -> tuple[tuple[str, ...], int]:
    """The column names and how many lines they took."""
    blank = next((at for at, line in enumerate(lines) if line.strip(b" \r")), None)
    if blank is None:
        raise InputError("The table is empty: it has no header line.")
    try:
        texts = [line.decode() for line in lines[blank:]]
    except UnicodeDecodeError:
        texts = [line.decode(errors="replace") for line in lines[blank:]]
        if "�" in texts[0]:
            raise InputError("The header line is not valid UTF-8.", "Save the table as UTF-8.") from None
    try:
        fields, count = Dialect(delimiter, ()).record(text + "\n" for text in texts)
    except csv.Error as error:
        raise InputError(f"The header line cannot be read: {error}.") from None
    names = tuple(field or f"column_{at + 1}" for at, field in enumerate(fields))
    for name in names:
        if names.count(name) > 1:
            raise InputError(f'The header names the column "{name}" more than once.', "Give each column its own name.")
    return names, blank + count


def _fields_of(lines: list[bytes], delimiter: str) -> int:
    """The number of fields of the first line that can be read, 1 if there is none."""
    texts = (line.decode(errors="replace") for line in lines if line.strip(b" \r"))
    try:
        return max(1, len(Dialect(delimiter, ()).record(text + "\n" for text in texts)[0]))
    except csv.Error:
        return 1


def _chunk(lines: list[str | None], number: int, dialect: Dialect, last: bool) -> tuple[Chunk, int]:
    """The rows of `lines` (the first is line `number`) and how many lines were used."""
    frame = _sort_lines(pl.Series("raw", lines, dtype=pl.String), dialect).with_row_index("at")
    odd = frame.filter(pl.col("state") == "odd")["at"].to_list()
    slow, refused, inside, used = _odd_records(lines, odd, dialect, last)
    frame = frame.filter(~pl.col("at").is_in(inside), pl.col("at") < used)
    rows = frame.filter(pl.col("state") == "row")
    text = "" if rows.is_empty() else rows["text"].str.join("\n")[0]
    table = _parse(text.encode(), dialect)
    at = rows["at"].cast(pl.Int64)
    if slow:
        odd_table = pl.DataFrame([fields for _, fields in slow], schema=_text_schema(dialect), orient="row")
        table, at = pl.concat([table, odd_table]), at.append(pl.Series([at for at, _ in slow], dtype=pl.Int64))
        order = at.arg_sort()
        table, at = table[order], at.gather(order)
    bad = frame.filter(pl.col("state").is_in(["encoding", "ragged"])).select(
        pl.col("at").cast(pl.Int64),
        pl.when(pl.col("state") == "encoding")
        .then(pl.lit("not valid UTF-8"))
        .otherwise(pl.format("{} fields, not {}", "fields", pl.lit(dialect.width)))
        .alias("reason"),
    )
    refusals = pl.concat([bad, pl.DataFrame(refused, schema={"at": pl.Int64, "reason": pl.String}, orient="row")])
    refusals = refusals.sort("at").select(line=pl.col("at") + number, reason="reason").cast(_REFUSED)
    return Chunk(table, (at + number).alias("line"), refusals), used


def _sort_lines(raw: pl.Series, dialect: Dialect) -> pl.DataFrame:
    """Each line's text and state: row, blank, encoding, ragged (then `fields` is their number) or odd (look closer)."""
    delimiter = re.escape(dialect.delimiter)
    field = rf'(?:[^"{delimiter}]*|"(?:[^"]|"")*")'
    text = pl.col("raw").str.strip_suffix("\r")
    if dialect.delimiter == " ":
        single = text.str.strip_chars(" ").str.replace_all(" +", " ")
        text = pl.when(text.str.contains('"', literal=True)).then(text).otherwise(single)
    frame = (
        raw.to_frame()
        .select(text=text)
        .with_columns(
            quoted=pl.col("text").str.contains('"', literal=True).fill_null(False),
            fields=pl.col("text").str.count_matches(dialect.delimiter, literal=True) + 1,
        )
    )
    frame = frame.with_columns(odd=pl.lit(False))
    if frame["quoted"].any():
        bare = pl.col("text").str.replace_all(r'"(?:[^"]|"")*"', "")
        formed = pl.col("text").str.contains(rf"^{field}(?:{delimiter}{field})*$") & (dialect.delimiter != " ")
        quoted = (
            frame.select("text", "quoted", "fields")
            .filter("quoted")
            .select(fields=bare.str.count_matches(dialect.delimiter, literal=True) + 1, odd=~formed)
        )
        at = frame["quoted"].arg_true()
        frame = frame.with_columns(
            frame["fields"].scatter(at, quoted["fields"]), frame["odd"].scatter(at, quoted["odd"])
        )
    state = (
        pl.when(pl.col("text").is_null())
        .then(pl.lit("encoding"))
        .when(pl.col("text") == "")
        .then(pl.lit("blank"))
        .when("odd")
        .then(pl.lit("odd"))
        .when(pl.col("fields") == dialect.width)
        .then(pl.lit("row"))
        .otherwise(pl.lit("ragged"))
    )
    return frame.select("text", "fields", state=state)


def _odd_records(
    lines: list[str | None], odd: list[int], dialect: Dialect, last: bool
) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]], list[int], int]:
    """Records that start at the odd lines: (rows, refusals, lines inside those records, lines used).

    A record over several lines counts only if it closes and has the right number of fields; else its first line alone
    is refused and reading goes on with the next, so that one stray quote cannot swallow what follows it.
    """
    rows: list[tuple[int, list[str]]] = []
    refused: list[tuple[int, str]] = []
    inside: list[int] = []
    end = 0
    for at in odd:
        if at < end:
            continue
        ahead = [f"{line}\n" for line in takewhile(_is_text, lines[at : at + RECORD_LINES])]
        try:
            fields, count = dialect.record(iter(ahead))
        except csv.Error as error:
            if not last and at + len(ahead) == len(lines) and len(ahead) < RECORD_LINES:
                return rows, refused, inside, at
            refused.append((at, f"quotes: {error}"))
        else:
            if len(fields) == dialect.width:
                rows.append((at, fields))
                end = at + count
                inside.extend(range(at, end))
                continue
            refused.append((at, f"{len(fields)} fields, not {dialect.width}"))
        inside.append(at)
    return rows, refused, inside, len(lines)


def _is_text(line: str | None) -> bool:
    return line is not None


def _text_schema(dialect: Dialect) -> pl.Schema:
    return pl.Schema({name: pl.String() for name in dialect.names})


def _parse(rows: bytes, dialect: Dialect) -> pl.DataFrame:
    """Well-formed rows as text columns."""
    schema = _text_schema(dialect)
    if not rows:
        return pl.DataFrame(schema=schema)
    return pl.read_csv(rows, has_header=False, separator=dialect.delimiter, schema=schema, empty_string_is_null=False)
