"""One control for each way of asking. Criteria say by their annotations what they ask; no criterion is named here."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from core.criteria.base import Model, Pick
from core.criteria.comparison import COMPARISON_KEYS, Comparison
from core.criteria.matchers import LIST, NUMBER, PRESENCE, TEXT
from core.criteria.operators import OPERATORS
from core.criteria.windows import WINDOW_TYPES

Value = dict[str, Any]
WORDS = {name: each.words for table in (PRESENCE, TEXT, LIST, NUMBER) for name, each in table.items()}
NO_VALUE = {*PRESENCE, "is_empty"}


@dataclass(frozen=True)
class Asking:
    """Where suggestions come from: `names(source, data)` for a name, `values(data)` for what is compared."""

    names: Callable[[str, Value], list[str]]
    values: Callable[[Value], list[str]]


def words(name: str) -> str:
    """A name of the definition format as words."""
    return WORDS.get(name, name.replace("_", " "))


def form(model: type[Model], data: Value, key: str, ask: Asking) -> Value:
    """Controls for every field of a model; the edited data. What is left empty is left out."""
    edited: Value = {"type": data["type"]} if "type" in data else {}
    compared = issubclass(model, Comparison)
    skipped = {"type", "id"} | (COMPARISON_KEYS if compared else set())
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    asked = {name: info for name, info in fields.items() if name not in skipped}

    def draw(name: str, info: FieldInfo) -> None:
        value = _field(info.annotation, info.metadata, name, data.get(name), f"{key}-{name}", data, ask)
        if value not in (None, [], ""):
            edited[name] = value

    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-line"):
        for name, info in asked.items():
            if _is_simple(info.annotation):
                draw(name, info)
        if compared:
            edited |= _comparison(data, key, ask)
    for name, info in asked.items():
        if not _is_simple(info.annotation):
            draw(name, info)
    return edited


def _is_simple(kind: Any) -> bool:
    """Whether one control asks for it."""
    kind = _plain(kind)[0]
    if get_origin(kind) is tuple:
        return _plain(get_args(kind)[0])[0] is str
    return not _is_model(kind) and not _variants(kind)


def _field(kind: Any, metadata: list[Any], name: str, value: Any, key: str, data: Value, ask: Asking) -> Any:
    kind, extra, optional = _plain(kind)
    pick = next((each.source for each in (*metadata, *extra) if isinstance(each, Pick)), None)
    label = words(name)
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        return _choice(label, options, value, key, optional)
    if get_origin(kind) is tuple:
        inner, inner_extra, _ = _plain(get_args(kind)[0])
        if inner is str:
            suggested = ask.names(pick or name, data)
            options = list(dict.fromkeys([*suggested, *(value or [])]))
            return st.multiselect(label, options, default=value or [], key=key, accept_new_options=True) or None
        return _several(label, inner, inner_extra, value or [], key, ask)
    if _is_model(kind):
        return _group(label, kind, value, key, optional, ask)
    if _variants(kind):
        return _union(label, kind, extra, value, key, optional, ask)
    if kind is str:
        if pick is not None:
            return _suggested(label, ask.names(pick, data), value, key)
        return st.text_input(label, value or "", key=key) or None
    return _number(label, value, key)


def _plain(kind: Any) -> tuple[Any, list[Any], bool]:
    """The type behind Annotated and `| None`, its metadata, and whether it may be left out."""
    extra: list[Any] = []
    optional = False
    while True:
        if get_origin(kind) is Annotated:
            extra += get_args(kind)[1:]
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):
            rest = tuple(each for each in get_args(kind) if each is not type(None))
            kind, optional = (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007 - made at run time
        else:
            return kind, extra, optional


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _variants(kind: Any) -> list[type[Model]]:
    if get_origin(kind) not in (Union, types.UnionType):
        return []
    kinds = [_plain(each)[0] for each in get_args(kind)]
    return [each for each in kinds if _is_model(each)]


def _choice(label: str, options: list[Any], value: Any, key: str, optional: bool) -> Any:
    at = options.index(value) if value in options else (None if optional else 0)
    return st.selectbox(label, options, index=at, key=key, format_func=lambda each: words(str(each)), placeholder="any")


def _suggested(label: str, options: list[str], value: Any, key: str) -> str | None:
    options = options if value is None or value in options else [value, *options]
    at = options.index(value) if value in options else None
    return st.selectbox(
        label, options, index=at, key=key, accept_new_options=True, filter_mode="contains", placeholder="any"
    )


def _number(label: str, value: Any, key: str) -> int | float | None:
    text = st.text_input(label, "" if value is None else str(value), key=key)
    number = _read_number(text)
    if text and number is None:
        st.error(f"{text!r} is no number.")
        return value if isinstance(value, int | float) else None
    return number


def _read_number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def _group(label: str, kind: type[Model], value: Any, key: str, optional: bool, ask: Asking) -> Any:
    if optional and not st.checkbox(label.capitalize(), value is not None, key=f"{key}-on"):
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-row"):
        return form(kind, value or {}, key, ask)


def _union(label: str, kind: Any, extra: list[Any], value: Any, key: str, optional: bool, ask: Asking) -> Any:
    variants = _variants(kind)
    if not all("type" in each.model_fields for each in variants):
        fits = [at for at, each in enumerate(variants) if set(value or {}) - {"id"} <= set(each.model_fields)]
        at = st.selectbox(
            label,
            range(len(variants)),
            fits[0] if fits else 0,
            key=f"{key}-shape",
            format_func=lambda n: _said(variants[n]),
        )
        kept = value if value and at in fits else {}
        return form(variants[at], kept, f"{key}-{at}", ask)
    by_type = {get_args(each.model_fields["type"].annotation)[0]: each for each in variants}
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-row"):
        chosen = _choice(label, list(by_type), (value or {}).get("type"), f"{key}-type", optional)
        if chosen is None:
            return None
        kept = value if value and value.get("type") == chosen else {"type": chosen}
        return form(by_type[chosen], kept, f"{key}-{chosen}", ask)


def _said(model: type[Model]) -> str:
    """What a model is, in its docstring's words."""
    return (model.__doc__ or model.__name__).splitlines()[0].rstrip(".").removeprefix("The name of ")


def _several(label: str, kind: Any, extra: list[Any], items: list[Value], key: str, ask: Asking) -> list[Value]:
    """A list of models, one row each, with an empty row's button at the end."""
    model = kind if _is_model(kind) else _variants(kind)[0]
    edited = []
    for at, item in enumerate(items):
        if not set(item) <= {info.alias or name for name, info in model.model_fields.items()} | {"id"}:
            st.caption(f"{label} {at + 1}: alternatives, edited as JSON in the definition")
            edited.append(item)
            continue
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-{at}-row"):
            row = form(model, item, f"{key}-{at}", ask)
            if not st.button("Remove", icon=":material/close:", key=f"{key}-{at}-rm", type="tertiary"):
                edited.append(row)
    if st.button(f"Add {label}", icon=":material/add:", key=f"{key}-add-{len(items)}", type="tertiary"):
        edited.append(_fresh(model))
    return edited


def _fresh(model: type[Model]) -> Value:
    """The least that a new row needs."""
    if "field" in model.model_fields:
        return {"attribute": "", "operator": "exists"}
    return {"type": "event", "kind": "custom"} if "kind" in model.model_fields else {}


def _comparison(data: Value, key: str, ask: Asking) -> Value:
    operator = _choice("operator", list(OPERATORS), data.get("operator", "exists"), f"{key}-operator", False)
    edited: Value = {"operator": operator}
    kept = data.get("value")
    if operator in WINDOW_TYPES:
        return edited | _window(operator, data, key)
    if operator in NO_VALUE:
        return edited
    if operator in ("is_in", "is_not_in"):
        chosen = [str(each) for each in kept] if isinstance(kept, list) else [str(kept)] if kept else []
        options = list(dict.fromkeys([*ask.values(data), *chosen]))
        edited["value"] = st.multiselect("value", options, chosen, key=f"{key}-in", accept_new_options=True)
    elif operator == "between":
        low, high = kept if isinstance(kept, list) and len(kept) == 2 else (None, None)
        edited["value"] = [_number("from", low, f"{key}-low"), _number("to", high, f"{key}-high")]
    elif operator in NUMBER:
        edited["value"] = _typed(kept, f"{key}-number")
    else:
        edited["value"] = _suggested("value", ask.values(data), kept if isinstance(kept, str) else None, f"{key}-text")
    if data.get("value_type"):
        edited["value_type"] = data["value_type"]
    return edited


def _typed(kept: Any, key: str) -> Any:
    """A number, true / false, or a version, as typed."""
    shown = str(kept).lower() if isinstance(kept, bool) else "" if kept is None or isinstance(kept, list) else str(kept)
    text = st.text_input("value", shown, key=key)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    number = _read_number(text)
    return text if number is None else kept if isinstance(kept, str) and text == kept else number


def _window(operator: str, data: Value, key: str) -> Value:
    from core.criteria.windows import AnyWindow

    by_type = {get_args(each.model_fields["type"].annotation)[0]: each for each in _variants(_plain(AnyWindow)[0])}
    ask = Asking(lambda source, each: [], lambda each: [])
    edited = form(by_type[operator], {**data, "type": operator}, f"{key}-{operator}", ask)
    edited.pop("type", None)
    return edited
