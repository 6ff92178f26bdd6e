"""The tables of a dataset's segments: names, columns and types. The one place that knows the physical layout.

`profile` is the dense profile index, `arrival` a counter over the dataset's life (a later arrival is a larger number),
times are UTC milliseconds. A *tagged* column holds free-form values as one string each (`core.data.values.tagged`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from core.data.checksums import is_whole
from core.errors import DatasetError

FORMAT: Final = 4
"""Of the manifest; 1 knew no compaction, 2 wrote columns that are null in every row, 3 such fields of products."""

EVENT_KINDS: Final = (
    "custom",
    "attribution",
    "ecommerce",
    "screen_view",
    "session",
    "crash",
    "install",
    "uninstall",
    "upgrade",
)
"""The kinds that criteria read; files also hold `session_end` and `other`."""

OTHER: Final = "other"
"""The kind of events that no criterion reads, named by their type: activity, and in the catalog (DEFINITION 6)."""

ANY: Final = "any"
"""The kind that stands for all of them."""

USER_BASED_KINDS: Final = frozenset({"crash", "install", "uninstall", "upgrade"})
"""Event kinds that read every input of the workspace, whichever inputs the audience selects (DEFINITION 2)."""

NAMELESS_KINDS: Final = frozenset({"session", "crash", "install", "uninstall", "upgrade"})

CUSTOM_TYPES: Final = (
    "navigation",
    "location",
    "search",
    "transaction",
    "user_content",
    "user_preference",
    "social",
    "media",
    "other",
)

CONTEXT_FIELDS: Final = (
    "app_version",
    "app_build",
    "app_name",
    "platform",
    "os_version",
    "device_model",
    "device_brand",
    "device_manufacturer",
    "carrier",
)
"""Standard fields that an event takes from its batch."""

PLACE_FIELDS: Final = ("country", "state", "city", "zip", "dma", "latitude", "longitude")

FIELDS: Final = (
    *CONTEXT_FIELDS,
    "session_id",
    "session_duration_ms",
    "currency_code",
    "total_amount",
    "tax_amount",
    "shipping_amount",
    "transaction_id",
    "affiliation",
    "coupon_code",
    "checkout_step",
    "screen_name",
    "class_name",
    "severity",
    "message",
    "exception_handled",
    "promotion_id",
    "promotion_name",
    "promotion_creative",
    "promotion_position",
    "product_list",
    *PLACE_FIELDS,
)
"""Standard event fields (DEFINITION 3.2)."""

SEVERAL_VALUE_FIELDS: Final = frozenset(
    {"promotion_id", "promotion_name", "promotion_creative", "promotion_position", "product_list"}
)

PRODUCT_FIELDS: Final = (
    "id",
    "name",
    "brand",
    "category",
    "variant",
    "position",
    "price",
    "quantity",
    "coupon_code",
    "total_product_amount",
)

VERSION_FIELDS: Final = frozenset({"app_version", "os_version"})
"""Fields that number operators compare part by part."""

DEVICE_FIELDS: Final = (
    "device_type",
    "platform",
    "os_version",
    "device_model",
    "device_brand",
    "device_manufacturer",
    "carrier",
    "device_country",
    "language",
)

USER_IDENTITIES: Final = (
    "customer_id",
    "email",
    "facebook",
    "twitter",
    "google",
    "microsoft",
    "yahoo",
    "other",
    *(f"other_id_{n}" for n in range(2, 11)),
    "mobile_number",
    "phone_number_2",
    "phone_number_3",
    "alias",
    "facebook_custom_audience_id",
)

DEVICE_IDENTITIES: Final = (
    "ios_advertising_id",
    "ios_idfv",
    "android_advertising_id",
    "android_uuid",
    "push_token",
    "roku_advertising_id",
    "roku_publisher_id",
    "fire_advertising_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
    "amp_id",
)

IDENTITY_TYPES: Final = (*USER_IDENTITIES, *DEVICE_IDENTITIES)
"""Known identity types in the order in which a batch without mpid is resolved; unknown types keep their own name."""

TIERS: Final = ("personalize", "preserve", "connect")

BAG: Final = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
"""An attribute bag: keys in document order with tagged values."""

PRODUCT: Final = pl.Struct({**{name: pl.String() for name in PRODUCT_FIELDS}, "attributes": BAG})

_WHO_WHEN: Final = {"profile": pl.UInt32(), "time_ms": pl.Int64(), "arrival": pl.Int64()}

TABLES: Final[dict[str, pl.Schema]] = {
    "profiles": pl.Schema({"profile": pl.UInt32(), "mpid": pl.Int64(), "hash": pl.UInt64()}),
    "batches": pl.Schema({"workspace": pl.String(), "input": pl.String(), **_WHO_WHEN, "request_id": pl.String()}),
    "events": pl.Schema(
        {
            "workspace": pl.String(),
            "input": pl.String(),
            "kind": pl.String(),
            "name": pl.String(),
            "custom_type": pl.String(),
            "profile": pl.UInt32(),
            "timestamp_ms": pl.Int64(),
            "arrival": pl.Int64(),
            "message_id": pl.String(),
            "also": pl.Boolean(),
            "session_uuid": pl.String(),
            **{name: pl.String() for name in FIELDS},
            "attributes": BAG,
            "products": pl.List(PRODUCT),
        }
    ),
    "attributes": pl.Schema({"workspace": pl.String(), "key": pl.String(), **_WHO_WHEN, "value": pl.String()}),
    "consents": pl.Schema(
        {
            "workspace": pl.String(),
            "regulation": pl.String(),
            "purpose": pl.String(),
            **_WHO_WHEN,
            "consented": pl.Boolean(),
        }
    ),
    "identities": pl.Schema(
        {"workspace": pl.String(), "identity_type": pl.String(), "value": pl.String(), **_WHO_WHEN}
    ),
    "devices": pl.Schema(
        {
            "workspace": pl.String(),
            "field": pl.String(),
            "value": pl.String(),
            "profile": pl.UInt32(),
            "time_ms": pl.Int64(),
        }
    ),
    "locations": pl.Schema(
        {
            "workspace": pl.String(),
            **_WHO_WHEN,
            "source": pl.String(),
            "country": pl.String(),
            "state": pl.String(),
            "city": pl.String(),
            "zip": pl.String(),
            "dma": pl.String(),
            "latitude": pl.Float64(),
            "longitude": pl.Float64(),
        }
    ),
    "attributions": pl.Schema(
        {
            "workspace": pl.String(),
            "event": pl.String(),
            **_WHO_WHEN,
            "source": pl.String(),
            "publisher": pl.String(),
            "campaign": pl.String(),
            "deleted": pl.Boolean(),
        }
    ),
}
"""Every table of a segment; only non-empty tables are written, without the columns that are null in every row."""


_RESTORE: Final = "Restore it from a backup; without one, load the data into a new dataset."
_WITHOUT_FIELDS: Final = pl.ScanCastOptions(missing_struct_fields="insert")
_MAGIC: Final = b"PAR1"
"""How a Parquet file begins and ends."""


def there(file: Path) -> Path:
    """A file that the manifest promises; DatasetError where it is gone."""
    if not file.exists():
        raise DatasetError(f"A file of the dataset is gone: {file}.", _RESTORE)
    return file


def whole(file: Path) -> Path:
    """A Parquet file that the manifest promises; DatasetError where it is gone or was cut."""
    with there(file).open("rb") as opened:
        first = opened.read(len(_MAGIC))
        opened.seek(max(file.stat().st_size - len(_MAGIC), 0))
        if first != _MAGIC or opened.read() != _MAGIC:
            raise damaged(file)
    return file


def damaged(file: Path) -> DatasetError:
    """What is said of a file that is not what was written."""
    return DatasetError(f"A file of the dataset is damaged: {file}.", _RESTORE)


def checked(file: Path, columns: Collection[str] | None = None, rows: tuple[int, int] | None = None) -> Path:
    """A Parquet file that the manifest promises; DatasetError where it is gone or was cut, or where its index or what
    is about to be read changed."""
    if not is_whole(whole(file), columns, rows):
        raise damaged(file)
    return file


def held_columns(file: Path) -> list[str]:
    """The columns of a table that a file holds. DatasetError as `checked`."""
    return [*pl.read_parquet_schema(checked(file, ()))]


def scan(
    table: str,
    files: Sequence[Path],
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
    types: Mapping[str, pl.DataType] = MappingProxyType({}),
) -> pl.LazyFrame:
    """The rows of some files of a table, with all of its columns or some; of one file, some rows: the first, and how
    many. `types`: of columns that are read with fewer fields than the table's, but all that the files hold.
    DatasetError where a file is gone or was cut, or where bytes that are asked for changed."""
    schema = pl.Schema({**TABLES[table], **types})
    if not files:
        return pl.LazyFrame(schema=schema).select(columns or schema.names())
    read = [checked(file, columns, rows) for file in files]
    found = pl.scan_parquet(read, glob=False, schema=schema, missing_columns="insert", cast_options=_WITHOUT_FIELDS)
    found = found if rows is None else found.slice(*rows)
    return found if columns is None else found.select(columns)
