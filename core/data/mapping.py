"""The mapping of a table (DEFINITION 5.1): which column is the user, the time, the event, and where the rest goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, Strict, StrictStr, ValidationError

from core.data.schema import CUSTOM_TYPES, EVENT_KINDS, FIELDS, NAMELESS_KINDS, PLACE_FIELDS, PRODUCT_FIELDS
from core.errors import InputError

PRODUCT_ACTIONS: Final = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "add_to_wishlist",
    "remove_from_wish_list",
)
ECOMMERCE_NAMES: Final = (*PRODUCT_ACTIONS, "promotion_view", "promotion_click", "impression")
"""Names of ecommerce events (DEFINITION 3.1)."""

TABLE_KINDS: Final = (*EVENT_KINDS, "session_end")
"""Kinds that a table's rows can be: those that criteria read, and the end of a session, which carries its duration."""

NAMELESS: Final = NAMELESS_KINDS | {"session_end"}
"""Kinds whose events have no name."""

PROFILE_ROW_FIELDS: Final = (
    "platform",
    "os_version",
    "device_model",
    "device_brand",
    "device_manufacturer",
    "carrier",
)
"""Standard fields that describe the profile's device; the only ones that rows of profiles may map."""

_Names = Annotated[tuple[StrictStr, ...], Strict(False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class User(_Part):
    """The column that names the user: an identity of one type, or the mpid itself."""

    column: str
    identity_type: Annotated[str, Field(min_length=1)] | None = None
    as_: Annotated[Literal["mpid"] | None, Field(alias="as")] = None


class Time(_Part):
    """The column of the row's moment. `timezone` (IANA) places ISO times that carry no zone of their own."""

    column: str
    unit: Literal["iso", "s", "ms", "us"] = "iso"
    timezone: str = "UTC"


class EventName(_Part):
    """Where the event's name comes from: a column, or one value for every row."""

    column: str | None = None
    value: Annotated[str, Field(min_length=1)] | None = None


class EventKind(_Part):
    """What an event value means. `name` left out is the value itself; `custom_type` (kind custom) left out is other."""

    kind: str
    name: Annotated[str, Field(min_length=1)] | None = None
    custom_type: str | None = None


class Mapping(_Part):
    """How the columns of a table become events or profile data (DEFINITION 5.1).

    Left out: `unit` iso, `timezone` UTC, `default_kind` custom, a comma and a header line, nothing for the rest.
    `Mapping.from_dict` is the way in from documents: it lists every problem in one InputError.
    """

    rows: Literal["events", "profiles"] = "events"
    user: User
    time: Time | None = None
    event: EventName | None = None
    kinds: dict[str, EventKind] = {}
    default_kind: str = "custom"
    attributes: Literal["rest"] | _Names = ()
    fields: dict[str, str] = {}
    product: dict[str, str] = {}
    user_attributes: _Names = ()
    identities: dict[str, str] = {}
    location: dict[str, str] = {}
    message_id: str | None = None
    nulls: _Names = ()
    delimiter: str = ","
    header: bool = True
    columns: _Names | None = None

    @classmethod
    def from_dict(cls, document: object) -> Mapping:
        """The mapping that `document` describes. InputError: every unknown key, wrong value and contradiction."""
        try:
            mapping = cls.model_validate(document)
        except ValidationError as error:
            raise mapping_error(_from_pydantic(error)) from None
        problems = list(contradictions(mapping))
        if problems:
            raise mapping_error(problems)
        return mapping

    def to_dict(self) -> dict[str, Any]:
        """The document of this mapping, without the keys that were left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def uses(self) -> Iterator[tuple[str, str]]:
        """Every (key of the mapping, column) pair that the mapping names; `attributes: "rest"` names none."""
        yield "user.column", self.user.column
        if self.time is not None:
            yield "time.column", self.time.column
        if self.event is not None and self.event.column is not None:
            yield "event.column", self.event.column
        for key in ("fields", "product", "identities", "location"):
            for part, column in getattr(self, key).items():
                yield f"{key}.{part}", column
        for column in self.user_attributes:
            yield "user_attributes", column
        if self.attributes != "rest":
            for column in self.attributes:
                yield "attributes", column
        if self.message_id is not None:
            yield "message_id", self.message_id

    def attribute_columns(self, columns: Iterable[str]) -> list[str]:
        """The columns, of those the table has, that become event attributes, in their order (DEFINITION 5.1 `rest`)."""
        if self.attributes != "rest":
            return list(dict.fromkeys(self.attributes))
        taken = {column for _, column in self.uses()}
        return [column for column in columns if column not in taken]

    def identity_columns(self) -> Iterator[tuple[str, str]]:
        """Identity types as spelled and their columns, the user's own first."""
        if self.user.identity_type is not None:
            yield self.user.identity_type, self.user.column
        yield from self.identities.items()

    def place_columns(self) -> dict[str, str]:
        """Parts of the row's location and their columns, whether given under `location` or as standard fields."""
        parts = {**{name: column for name, column in self.fields.items() if name in PLACE_FIELDS}, **self.location}
        return {name: parts[name] for name in PLACE_FIELDS if name in parts}


def mapping_error(problems: Iterable[str], table: str = "") -> InputError:
    """One error for all problems of a mapping, a line each; `table` opens the lines about one table's columns."""
    return InputError("\n".join(f"{table}mapping: {problem}" for problem in problems))


def contradictions(mapping: Mapping) -> Iterator[str]:
    """Every reason, one line each, why the mapping cannot be meant; columns are not looked at."""
    if (mapping.user.identity_type is None) == (mapping.user.as_ is None):
        yield 'user: exactly one of "identity_type" and "as": "mpid" is needed'
    if mapping.time is not None and not _is_zone(mapping.time.timezone):
        yield f'time.timezone: "{mapping.time.timezone}" is no IANA time zone such as "UTC" or "Europe/Paris"'
    yield from _unknown_names("fields", mapping.fields, FIELDS)
    yield from _unknown_names("product", mapping.product, PRODUCT_FIELDS)
    yield from _unknown_names("location", mapping.location, PLACE_FIELDS)
    for part in mapping.location:
        if part in mapping.fields and mapping.fields[part] != mapping.location[part]:
            yield f'location.{part}: "fields" names another column for {part}'
    if "" in mapping.identities:
        yield "identities: an identity type has no name"
    yield from _csv_problems(mapping)
    yield from _event_problems(mapping) if mapping.rows == "events" else _profile_problems(mapping)


def _unknown_names(key: str, given: Iterable[str], known: tuple[str, ...]) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"{key}.{name}: unknown; one of {', '.join(known)}"


def _csv_problems(mapping: Mapping) -> Iterator[str]:
    if len(mapping.delimiter) != 1 or not mapping.delimiter.isascii() or mapping.delimiter in '"\r\n\0':
        yield 'delimiter: one character is needed, such as ",", ";", "\\t" or " " (runs of spaces)'
    if mapping.columns is None:
        return
    if mapping.header:
        yield 'columns: these name the columns of a file without header; say "header": false as well'
    if not mapping.columns:
        yield "columns: at least one name is needed"
    for name in dict.fromkeys(mapping.columns):
        if mapping.columns.count(name) > 1:
            yield f'columns: "{name}" is there more than once'


def _event_problems(mapping: Mapping) -> Iterator[str]:
    if mapping.time is None:
        yield "time: rows of events need the column of their time"
    if mapping.default_kind not in TABLE_KINDS:
        yield f"default_kind: unknown; one of {', '.join(TABLE_KINDS)}"
    if mapping.event is None:
        if mapping.default_kind not in NAMELESS:
            yield "event: rows of events need the column, or the value, of their event name"
        if mapping.kinds:
            yield 'kinds: there is no "event" whose values they could be'
    elif (mapping.event.column is None) == (mapping.event.value is None):
        yield 'event: exactly one of "column" and "value" is needed'
    for value, meaning in mapping.kinds.items():
        yield from (f"kinds.{value}{problem}" for problem in _kind_problems(value, meaning))
    fixed = mapping.event.value if mapping.event is not None else None
    if mapping.default_kind == "ecommerce" and fixed is not None and fixed not in (*mapping.kinds, *ECOMMERCE_NAMES):
        yield f'event.value: "{fixed}" is no ecommerce name; one of {", ".join(ECOMMERCE_NAMES)}'


def _kind_problems(value: str, meaning: EventKind) -> Iterator[str]:
    if meaning.kind not in TABLE_KINDS:
        yield f".kind: unknown; one of {', '.join(TABLE_KINDS)}"
    if meaning.kind in NAMELESS and meaning.name is not None:
        yield f".name: {meaning.kind} events have no name"
    if meaning.kind == "ecommerce" and (meaning.name or value) not in ECOMMERCE_NAMES:
        yield f".name: an ecommerce name is needed; one of {', '.join(ECOMMERCE_NAMES)}"
    if meaning.custom_type is not None and meaning.kind != "custom":
        yield ".custom_type: only events of kind custom have one"
    elif meaning.custom_type is not None and meaning.custom_type not in CUSTOM_TYPES:
        yield f".custom_type: unknown; one of {', '.join(CUSTOM_TYPES)}"


def _profile_problems(mapping: Mapping) -> Iterator[str]:
    for key in ("event", "kinds", "product", "message_id"):
        if getattr(mapping, key):
            yield f"{key}: rows of profiles are no events"
    if mapping.attributes:
        yield 'attributes: rows of profiles are no events; name the columns under "user_attributes"'
    for name in mapping.fields:
        if name in FIELDS and name not in (*PROFILE_ROW_FIELDS, *PLACE_FIELDS):
            yield f"fields.{name}: rows of profiles are no events; only {', '.join(PROFILE_ROW_FIELDS)} and places"


def _is_zone(name: str) -> bool:
    try:
        pl.Series([None], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
    except pl.exceptions.ComputeError:
        return False
    return True


def _from_pydantic(error: ValidationError) -> Iterator[str]:
    """Problems as `key: message`, in words."""
    seen: set[str] = set()
    for problem in error.errors(include_url=False, include_input=False):
        location = [str(part) for part in problem["loc"]]
        path, message = ".".join(location), problem["msg"][:1].lower() + problem["msg"][1:]
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        elif location[:1] == ["attributes"]:
            path, message = "attributes", 'either "rest" or a list of columns'
        elif problem["type"] == "model_type":
            message = "an object is needed"
        if path not in seen:
            seen.add(path)
            yield f"{path}: {message}" if path else message
