"""A method and its settings, chosen with widgets that are made from the method's own fields."""

from typing import Any

import streamlit as st

from pages._ui.state import put, seed
from prune_core.methods import METHODS, Method, Setting, settings_of
from prune_core.types import UserError

BY_NAME = {method.name: method for method in METHODS}


def method_form(num_layers: int) -> tuple[Method, int | None]:
    """The method and its budget (None where its threshold decides). Raises UserError for settings that do not fit."""
    a, b = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    key = seed("method", METHODS[0].name)
    name = a.selectbox("Method", list(BY_NAME), key=key, format_func=lambda n: BY_NAME[n].label)
    kind = BY_NAME[name or METHODS[0].name]
    free = kind.budget_optional and a.checkbox("Let its threshold decide how many", key=seed(f"{name}_free", True))
    most = max(1, num_layers - 1)
    start = seed("budget", min(most, max(1, num_layers // 4)))
    budget = None if free else int(b.slider("Layers to remove", 0, most, key=start))
    st.caption(f"{kind.what} Source: {_linked(kind.source)}.")
    return kind(**_settings(kind, budget)), budget


def _settings(kind: type[Method], budget: int | None) -> dict[str, Any]:
    """The values of the method's fields; its presets fill the widgets."""
    fields = settings_of(kind)
    if not fields:
        return {}
    with st.expander("Settings"):
        if kind.presets:
            preset = st.selectbox("Published settings", ["as the paper says", *kind.presets], key=f"{kind.name}_preset")
            st.button("Fill in", on_click=_fill, args=(kind, fields, preset), key=f"{kind.name}_fill")
        columns = st.columns(3)
        return {f.name: _widget(columns[k % 3], kind, f, budget) for k, f in enumerate(fields)}


def _fill(kind: type[Method], fields: tuple[Setting, ...], preset: str) -> None:
    chosen = kind.presets.get(preset, {})
    for each in fields:
        put(_key(kind, each), _shown(each, chosen.get(each.name, each.default)))


def _widget(place: Any, kind: type[Method], field: Setting, budget: int | None) -> Any:
    default = field.default
    if field.optional and field.name == "threshold" and budget is not None:
        default = None  # with a budget, the threshold that meets it is what one wants
    key = seed(_key(kind, field), _shown(field, default))
    if field.choices:
        return place.selectbox(field.label, field.choices, key=key, help=field.help)
    if field.kind is str or field.optional:
        return _parsed(place.text_input(field.label, key=key, help=field.help), field)
    step = field.step or (1 if field.kind is int else None)
    limits = {"min_value": field.least, "max_value": field.most, "step": step}
    cast = {k: field.kind(v) for k, v in limits.items() if v is not None}
    return field.kind(place.number_input(field.label, key=key, help=field.help, **cast))


def _parsed(text: str, field: Setting) -> Any:
    """An optional number: empty is None."""
    if not text.strip():
        return None
    try:
        return field.kind(text)
    except ValueError:
        raise UserError(f"{field.label} is '{text}': write a number, or leave it empty.") from None


def _shown(field: Setting, value: Any) -> Any:
    if field.choices:
        return value
    return ("" if value is None else str(value)) if field.kind is str or field.optional else field.kind(value)


def _key(kind: type[Method], field: Setting) -> str:
    return f"{kind.name}_{field.name}"


def _linked(source: str) -> str:
    return f"[{source}](https://arxiv.org/abs/{source.split()[-1]})" if source.startswith("arXiv ") else source
