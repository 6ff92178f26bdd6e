"""Names that columns and events usually have, by what they mean; a guess goes by them (core.data.guess).

Names are in lower case with underscores; of several the earlier one is the better. Sources: the warehouse schemas of
Segment, RudderStack, Snowplow and GA4, mParticle's event export, the data sets that analysts usually start from.
"""

from __future__ import annotations

from typing import Final

USER_COLUMNS: Final = {
    "mpid": "",
    **dict.fromkeys(("user_id", "userid", "customer_id", "customerid", "customer", "client_id", "uid"), "customer_id"),
    **dict.fromkeys(("member_id", "person_id", "profile_id", "account_id", "user", "cust_id"), "customer_id"),
    **dict.fromkeys(("email", "e_mail", "mail", "email_address"), "email"),
    **dict.fromkeys(("anonymous_id", "user_pseudo_id", "domain_userid", "visitor_id", "visitorid"), "anonymous_id"),
    **dict.fromkeys(("fullvisitorid", "device_id", "cookie_id"), "anonymous_id"),
    "id": "customer_id",
}
"""Column name and identity type."""

TIME_COLUMNS: Final = (
    *("timestamp", "event_timestamp", "event_time", "ts", "time", "occurred_at", "derived_tstamp", "datetime"),
    *("event_datetime", "created_at", "original_timestamp", "collector_tstamp", "received_at", "sent_at", "date"),
    *("event_date", "order_date", "purchase_date", "invoice_date", "invoicedate", "updated_at", "last_seen"),
)

EVENT_COLUMNS: Final = ("event", "event_name", "eventname", "event_type", "action", "activity", "event_action", "type")

MESSAGE_COLUMNS: Final = ("message_id", "messageid", "event_id", "insert_id", "event_uuid", "uuid", "source_message_id")

IDENTITY_COLUMNS: Final = {
    **dict.fromkeys(("email", "e_mail", "mail", "email_address"), "email"),
    **dict.fromkeys(("phone", "phone_number", "mobile", "mobile_number"), "mobile_number"),
    **dict.fromkeys(("idfa", "ios_advertising_id"), "ios_advertising_id"),
    **dict.fromkeys(("gaid", "android_advertising_id", "google_advertising_id"), "android_advertising_id"),
    **dict.fromkeys(("idfv", "ios_idfv"), "ios_idfv"),
    **dict.fromkeys(("anonymous_id", "user_pseudo_id"), "anonymous_id"),
    "customer_id": "customer_id",
}

LOCATION_COLUMNS: Final = {
    **dict.fromkeys(("latitude", "lat", "geo_latitude"), "latitude"),
    **dict.fromkeys(("longitude", "lon", "lng", "long", "geo_longitude"), "longitude"),
    **dict.fromkeys(("city", "geo_city", "city_name"), "city"),
    **dict.fromkeys(("country_code", "country", "cc", "geo_country"), "country"),
    **dict.fromkeys(("region_code", "state", "region", "geo_region"), "state"),
    **dict.fromkeys(("zip", "zip_code", "zipcode", "postal_code", "postcode", "geo_zipcode"), "zip"),
    **dict.fromkeys(("dma", "dma_code", "metro"), "dma"),
}

FIELD_COLUMNS: Final = {
    **dict.fromkeys(("total_amount", "revenue", "order_total", "total", "amount", "dollars", "sales"), "total_amount"),
    **dict.fromkeys(("tax_amount", "tax"), "tax_amount"),
    **dict.fromkeys(("shipping_amount", "shipping"), "shipping_amount"),
    **dict.fromkeys(("currency_code", "currency"), "currency_code"),
    **dict.fromkeys(("transaction_id", "order_id", "invoice_no", "invoiceno"), "transaction_id"),
    **dict.fromkeys(("coupon_code", "coupon"), "coupon_code"),
    "affiliation": "affiliation",
    "platform": "platform",
    **dict.fromkeys(("app_version", "application_version"), "app_version"),
    "os_version": "os_version",
    "device_model": "device_model",
    "device_brand": "device_brand",
    "device_manufacturer": "device_manufacturer",
    "carrier": "carrier",
    **dict.fromkeys(("session_id", "sessionid"), "session_id"),
    "session_duration_ms": "session_duration_ms",
    "screen_name": "screen_name",
}

PRODUCT_COLUMNS: Final = {
    **dict.fromkeys(("product_id", "productid", "item_id", "sku", "stock_code", "stockcode"), "id"),
    **dict.fromkeys(("product_name", "item_name", "product", "item"), "name"),
    **dict.fromkeys(("product_category", "item_category", "category", "cat"), "category"),
    **dict.fromkeys(("product_brand", "item_brand", "brand"), "brand"),
    **dict.fromkeys(("variant", "item_variant"), "variant"),
    **dict.fromkeys(("unit_price", "unitprice", "item_price", "price"), "price"),
    **dict.fromkeys(("quantity", "qty"), "quantity"),
}

NULL_TEXTS: Final = ("", "NULL", "null", "NA", "N/A", "None", "nan", "NaN", "\\N", "(not set)")


def _ecommerce(name: str, *spellings: str) -> dict[str, dict[str, str]]:
    return {key: {"kind": "ecommerce", "name": name} for key in (name, *spellings)}


def _kind(kind: str, *spellings: str) -> dict[str, dict[str, str]]:
    return {key: {"kind": kind} for key in spellings}


EVENT_MEANINGS: Final = {
    **_ecommerce("purchase", "order_completed", "completed_order", "order", "checkout_completed", "transaction"),
    **_ecommerce("add_to_cart", "product_added", "cart_add", "added_to_cart", "addtocart"),
    **_ecommerce("remove_from_cart", "product_removed", "cart_remove"),
    **_ecommerce("checkout", "checkout_started", "begin_checkout", "start_checkout"),
    **_ecommerce("view_detail", "product_viewed", "view_item", "product_view", "view_product"),
    **_ecommerce("click", "product_clicked", "select_item"),
    **_ecommerce("refund", "order_refunded"),
    **_ecommerce("add_to_wishlist", "product_added_to_wishlist", "wishlist_add"),
    **_ecommerce("remove_from_wish_list", "product_removed_from_wishlist", "remove_from_wishlist"),
    **_ecommerce("impression", "product_list_viewed", "view_item_list"),
    **_ecommerce("promotion_view", "promotion_viewed", "view_promotion"),
    **_ecommerce("promotion_click", "promotion_clicked", "select_promotion"),
    **_kind("screen_view", "screen_view", "page_view", "pageview", "screenview", "page"),
    **_kind("session", "session_start", "session"),
    **_kind("install", "application_installed", "app_install", "install", "first_open", "first_run"),
    **_kind("upgrade", "application_updated", "app_update", "upgrade"),
    **_kind("uninstall", "application_uninstalled", "app_remove", "uninstall", "app_uninstall"),
    **_kind("crash", "application_crashed", "app_exception", "crash", "app_crash"),
}
"""Event values that mean something; every other one is a custom event."""
