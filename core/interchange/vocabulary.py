"""The words of mParticle's audience schema 1.6, and the models and paths by which ours names its data in them.

The schema is a grammar: operators over `{"model", "path"}`. Which models there are is left to whoever holds the data;
ours are these. A model before which a workspace stands (`"shop/user"`) is that workspace's, else the audience's first.

| model | paths |
|---|---|
| `user` | a user attribute, by its own name |
| `calculated_attributes` | a calculated attribute, by its own name |
| `identities` | an identity type; several values |
| `devices` | a device field; several values |
| `consent` | `gdpr.PURPOSE`, `ccpa.data_sale_opt_out`: true or false, absent without record |
| `location` | `city`, `state`, `zip`, `dma`, `country` of the latest location |
| `attribution` | `install`, `uninstall`, each with `.publisher` and `.campaign` |
| `profile` | `first_seen`, `last_seen`; `workspace`: each in which the profile was seen |
| `events` | `kind`, `name`, `custom_type`, `input`, `timestamp`, a standard field, `custom_attributes.NAME` |
| `products` | a product's field, `custom_attributes.NAME`; rows of the event |

A comparison of several values holds when it does for one of them, a negative one when its positive twin does for none.
Texts compare in any case. The schema has no "not": that no row of a model satisfies a condition is a count of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

SCHEMA_VERSION: Final = "1.6.0"

Expression = dict[str, Any]

USER: Final = "user"
CALCULATED: Final = "calculated_attributes"
IDENTITIES: Final = "identities"
DEVICES: Final = "devices"
CONSENT: Final = "consent"
LOCATION: Final = "location"
ATTRIBUTION: Final = "attribution"
PROFILE: Final = "profile"
EVENTS: Final = "events"
PRODUCTS: Final = "products"

CUSTOM: Final = "custom_attributes."
"""Before the name of a custom attribute of an event or a product."""

DATA_SALE: Final = "ccpa.data_sale_opt_out"

TIMESTAMP: Final = {"model": EVENTS, "path": "timestamp"}
KIND: Final = {"model": EVENTS, "path": "kind"}
NAME: Final = {"model": EVENTS, "path": "name"}
CUSTOM_TYPE: Final = {"model": EVENTS, "path": "custom_type"}
INPUT: Final = {"model": EVENTS, "path": "input"}
WORKSPACE: Final = {"model": PROFILE, "path": "workspace"}

TEXTS: Final = {
    "exact_match": "equals",
    "does_not_match": "not_equals",
    "contains": "contains",
    "does_not_contain": "not_contains",
    "starts_with": "starts_with",
    "does_not_start_with": "not_starts_with",
    "ends_with": "ends_with",
    "does_not_end_with": "not_ends_with",
    "matches_regex": "matches",
    "does_not_match_regex": "not_matches",
}
NUMBERS: Final = {
    "equals": "equals",
    "not_equals": "not_equals",
    "greater_than": "greater_than",
    "at_least": "greater_than_equal",
    "less_than": "less_than",
    "at_most": "less_than_equal",
}
LISTS: Final = {"includes": "in", "does_not_include": "not_in"}
FUNCTIONS: Final = {"sum": "sum", "average": "avg", "minimum": "min", "maximum": "max"}
UNITS: Final = {"seconds": "second", "minutes": "minute", "hours": "hour", "days": "day", "weeks": "week"}
CALENDAR_UNITS: Final = ("day", "week", "month", "quarter", "year")


def inverse(words: dict[str, str]) -> dict[str, str]:
    """The same words, looked up the other way round."""
    return {theirs: ours for ours, theirs in words.items()}


# --- expressions -------------------------------------------------------------------------------------------------


def binary(operator: str, left: Any, right: Any) -> Expression:
    """Two operands compared."""
    return {"operator": operator, "left": left, "right": right}


def unary(operator: str, operand: Any) -> Expression:
    """`exists` or `not_exists`."""
    return {"operator": operator, "operand": operand}


def group(operator: str, expressions: Sequence[Expression]) -> Expression:
    """`and` or `or` of expressions."""
    return {"operator": operator, "expressions": list(expressions)}


def aggregated(function: str, per: str, operand: Any, condition: Expression | None) -> Expression:
    """An aggregate over the rows that satisfy a condition, one value a row of the model `per`."""
    return {"operator": function, "group_by_model": per, "operand": operand} | (
        {"condition": condition} if condition is not None else {}
    )


def none(model: str, condition: Expression) -> Expression:
    """Not: of this row of the model, none satisfies the condition."""
    return binary("equals", aggregated("count", model, {"model": model}, condition), 0)


def some(model: str, condition: Expression) -> Expression:
    """The condition itself, marked as a group of its own where it would read as one criterion."""
    return binary("greater_than", aggregated("count", model, {"model": model}, condition), 0)


def absolute(text: str) -> Expression:
    """A date, or an instant with its zone."""
    return {"date": {"absolute": text}}


def relative(offset: float, unit: str, **more: Any) -> Expression:
    """A moment so many units (of ours) after now; `boundary`, `relative_to` as the schema has them."""
    return {"date": {"relative": {"offset": offset, "unit": UNITS.get(unit, unit), **more}}}


def moved(date: str, *, days: int = 0, milliseconds: int = 0) -> str:
    """A date so many days later as a date, a date or an instant so many milliseconds later as an instant.

    OverflowError outside of the years 1 to 9999; ValueError for what is no ISO date.
    """
    moment = datetime.fromisoformat(date)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    later = moment + timedelta(days=days, milliseconds=milliseconds)
    return later.date().isoformat() if days else later.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- groups that are one criterion -------------------------------------------------------------------------------


def listed(expression: Any) -> tuple[str, Any, tuple[str, ...]] | None:
    """(`is_in` | `is_not_in`, the operand, the texts) of `or` of equals, or `and` of not_equals, on one operand."""
    if not isinstance(expression, dict) or expression.get("operator") not in ("or", "and"):
        return None
    each = "equals" if expression["operator"] == "or" else "not_equals"
    parts = expression.get("expressions")
    if not isinstance(parts, list) or not parts or not isinstance(parts[0], dict):
        return None
    left = parts[0].get("left")
    for part in parts:
        if not isinstance(part, dict) or part.get("operator") != each or part.get("left") != left:
            return None
        if not isinstance(part.get("right"), str):
            return None
    return ("is_in" if each == "equals" else "is_not_in"), left, tuple(part["right"] for part in parts)


def bounded(expression: Any) -> tuple[Any, Expression, Expression] | None:
    """(the operand, the lower bound, the upper bound) of `and` of two bounds on one operand, the lower one first."""
    if not isinstance(expression, dict) or expression.get("operator") != "and":
        return None
    parts = expression.get("expressions")
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, dict) for part in parts):
        return None
    low, high = parts
    if low.get("operator") not in ("greater_than_equal", "greater_than") or "left" not in low:
        return None
    if high.get("operator") not in ("less_than_equal", "less_than") or low["left"] != high.get("left"):
        return None
    return low["left"], low, high


def subject(expression: Any) -> Any:
    """The operand that a comparison is about; of a group, that of its first part. None where there is none."""
    while isinstance(expression, dict) and expression.get("expressions"):
        expression = expression["expressions"][0]
    if not isinstance(expression, dict):
        return None
    if expression.get("operator") in LISTS.values() and isinstance(expression.get("left"), str):
        return expression.get("right")
    return expression.get("left", expression.get("operand"))


def model_of(operand: Any) -> tuple[str | None, str]:
    """(workspace, model) of a `{"model", "path"}`; the workspace None where none stands before the model."""
    model = operand.get("model") if isinstance(operand, dict) else None
    workspace, slash, name = str(model or "").rpartition("/")
    return (workspace if slash else None), name


def models(expression: Any) -> set[str]:
    """Every model that is named in an expression."""
    found, todo = set(), [expression]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict):
            found |= {name for key in ("model", "group_by_model") if isinstance(name := value.get(key), str)}
            todo += value.values()
    return found


def one_criterion(expression: Expression) -> bool:
    """Whether a group of criteria would be read as one criterion: then it is marked by `some`."""
    if listed(expression) or bounded(expression):
        return True
    models = {model_of(subject(part))[1] for part in expression["expressions"]}
    together = len(expression["expressions"]) > 1 and expression["operator"] == "and"
    return together and models in ({LOCATION}, {ATTRIBUTION})
