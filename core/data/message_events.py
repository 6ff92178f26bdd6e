"""The events of Segment messages: names that Segment gives a meaning to become events of that kind.

Source: Segment's e-commerce and mobile specifications (event names), in any case; every other name is a custom event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Document = dict[str, Any]

ACTIONS: Final = {
    "product added": "add_to_cart",
    "product removed": "remove_from_cart",
    "product viewed": "view_detail",
    "product clicked": "click",
    "product added to wishlist": "add_to_wishlist",
    "product removed from wishlist": "remove_from_wish_list",
    "checkout started": "checkout",
    "checkout step viewed": "checkout",
    "checkout step completed": "checkout_option",
    "order completed": "purchase",
    "order refunded": "refund",
}
"""Event name, lower case, and product action."""

PROMOTIONS: Final = {"promotion viewed": "view", "promotion clicked": "click"}
IMPRESSION: Final = "product list viewed"
INSTALL_ATTRIBUTED: Final = "install attributed"

_TOTALS: Final = {
    "total_amount": ("total", "revenue", "value"),
    "tax_amount": ("tax",),
    "shipping_amount": ("shipping",),
    "transaction_id": ("order_id", "checkout_id"),
    "affiliation": ("affiliation",),
    "coupon_code": ("coupon",),
    "checkout_step": ("step",),
    "product_action_list": ("list_id", "list"),
}
_PRODUCT: Final = {
    "id": ("product_id", "id", "sku"),
    "name": ("name",),
    "brand": ("brand",),
    "category": ("category",),
    "variant": ("variant",),
    "position": ("position",),
    "price": ("price",),
    "quantity": ("quantity",),
    "coupon_code": ("coupon",),
}
_PRODUCT_KEYS: Final = frozenset(key for keys in _PRODUCT.values() for key in keys) | {"url", "image_url"}
_NAMING: Final = ("product_id", "id", "sku", "name")
_SHOWN: Final = {"product_impression_list": ("list_id", "category")}
_PROMOTION: Final = {"id": ("promotion_id",), "name": ("name",), "creative": ("creative",), "position": ("position",)}


def track_event(name: str, properties: Document, flat: Document) -> Document:
    """The event of a track message. `flat`: the properties with dotted names for nested ones."""
    known = name.strip().lower()
    if known in ACTIONS or known in PROMOTIONS or known == IMPRESSION:
        return {"event_type": "commerce_event", "data": _commerce(known, properties, flat)}
    if known in ("application installed", "application updated"):
        flag = "is_first_run" if known == "application installed" else "is_upgrade"
        data = {"application_transition_type": "application_initialized", flag: True, "custom_attributes": flat}
        return {"event_type": "application_state_transition", "data": data}
    if known == "application uninstalled":
        return {"event_type": "uninstall", "data": {"custom_attributes": flat}}
    if known == "application crashed":
        about = {key: flat[key] for key in ("class_name", "severity", "message") if flat.get(key) is not None}
        return {"event_type": "crash_report", "data": {**about, "custom_attributes": flat}}
    if known == INSTALL_ATTRIBUTED:
        told = {"publisher": flat.get("campaign.source"), "campaign": flat.get("campaign.name")}
        return _custom("attribution", "attribution", {**_present(told), **flat})
    return _custom(name, "other", flat)


def screen_event(message: Document, flat: Document, page: Document) -> Document:
    """The screen view of a page or screen message, named by its name, else its category, else its path."""
    names = (message.get("name"), flat.get("name"), message.get("category"), flat.get("path"), page.get("path"))
    name = next((str(name) for name in names if name not in (None, "")), None)
    category = _present({"category": message.get("category")})
    return {"event_type": "screen_view", "data": {"screen_name": name, "custom_attributes": {**category, **flat}}}


def _custom(name: str, custom_type: str, attributes: Document) -> Document:
    data = {"event_name": name, "custom_event_type": custom_type, "custom_attributes": attributes}
    return {"event_type": "custom_event", "data": data}


def _commerce(known: str, properties: Document, flat: Document) -> Document:
    """The data of a commerce event. Properties that have no place in it are its custom attributes."""
    listed = properties.get("products")
    products, used = _listed(listed) if isinstance(listed, list) else _single(properties, known)
    data: Document = {}
    if properties.get("currency") is not None:
        data["currency_code"] = properties["currency"]
    if known in PROMOTIONS:
        promotion, places = _picked(properties, _PROMOTION)
        data["promotion_action"] = {"action": PROMOTIONS[known], "promotions": [promotion]}
    elif known == IMPRESSION:
        shown, places = _picked(properties, _SHOWN)
        data["product_impressions"] = [{**shown, "products": products}]
    else:
        totals, places = _picked(properties, _TOTALS)
        data["product_action"] = {"action": ACTIONS[known], **totals, "products": products}
    placed = used | places | {"currency"}
    return {**data, "custom_attributes": {key: value for key, value in flat.items() if key not in placed}}


def _listed(items: list[Any]) -> tuple[list[Document], set[str]]:
    return [_product(item) for item in items if isinstance(item, dict)], {"products"}


def _single(properties: Document, known: str) -> tuple[list[Document], set[str]]:
    """The product that the properties themselves describe, if any, and the properties that do."""
    own = {key: properties[key] for key in properties if key in _PRODUCT_KEYS}
    if known in PROMOTIONS or all(own.get(key) is None for key in _NAMING):
        return [], set()
    return [_product(own)], set(own)


def _product(item: Document) -> Document:
    fields, used = _picked(item, _PRODUCT)
    return {**fields, "custom_attributes": {key: value for key, value in item.items() if key not in used}}


def _picked(source: Document, fields: Mapping[str, tuple[str, ...]]) -> tuple[Document, set[str]]:
    """The fields that the source has, each from the first of its keys that is there, and those keys."""
    found, used = {}, set()
    for name, keys in fields.items():
        key = next((key for key in keys if source.get(key) is not None), None)
        if key is not None:
            found[name] = source[key]
            used.add(key)
    return found, used


def _present(values: Document) -> Document:
    return {name: value for name, value in values.items() if value is not None}
