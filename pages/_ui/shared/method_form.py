"""A method and its settings, chosen with widgets built from the method's own fields."""

from typing import Any, TypeVar

import streamlit as st

from pages._ui.shared.paper_links import linked
from pages._ui.state.session import get, put, seed
from prune_core.methods import METHODS, Method, Setting, settings_of
from prune_core.schema.errors import UserError

BY_NAME = {method.name: method for method in METHODS}
M = TypeVar("M", bound=Method)
AS_PAPER = "the paper's defaults"
PARTS_IN_WORDS = {"attention": "Attention modules", "mlp": "MLPs", "joint": "Pairs of parts (attention or MLP)"}


def method_form(num_layers: int) -> tuple[Method, int | None]:
    """The method and its budget (None where its threshold decides). Raises UserError for settings that do not fit."""
    key = seed("method", METHODS[0].name)
    name = st.selectbox("Method", list(BY_NAME), key=key, format_func=lambda n: BY_NAME[n].label)
    kind = BY_NAME[name or METHODS[0].name]
    st.caption(f"{kind.what} Source: {linked(kind.source)}.")
    budget = budget_form(kind, num_layers)
    if not settings_of(kind):
        return kind(), budget
    with st.expander("Settings"):
        return settings_form(kind, budget), budget


def budget_form(kind: type[Method], num_layers: int) -> int | None:
    """How many layers to remove; None where the method's threshold decides."""
    free = kind.budget_optional and st.checkbox(
        "Let the threshold decide how many", key=seed(f"{kind.name}_free", False)
    )
    if free:
        return None
    most = max(1, num_layers - 1)
    key = seed("budget", min(most, max(1, num_layers // 4)), among=range(most + 1))
    return int(st.slider(f"{_what_goes(kind)} to remove", 0, most, key=key))


def _what_goes(kind: type[Method]) -> str:
    """What a budget counts: layers, or the parts that the method's setting names."""
    part = next((field for field in settings_of(kind) if field.name == "part"), None)
    return "Layers" if part is None else PARTS_IN_WORDS[get(_key(kind, part), part.default)]


def settings_form(kind: type[M], budget: int | None, columns: int = 3) -> M:
    """The method with the settings of the widgets, one for each of its fields; its presets fill them."""
    fields = settings_of(kind)
    if kind.presets:
        a, b = st.columns([3, 1], vertical_alignment="bottom")
        key = seed(f"{kind.name}_preset", AS_PAPER)
        preset = a.selectbox("Published settings", [AS_PAPER, *kind.presets], key=key)
        b.button("Load", on_click=_fill, args=(kind, fields, preset), key=f"{kind.name}_fill", width="stretch")
    places = st.columns(columns)
    return kind(**{f.name: _widget(places[k % columns], kind, f, budget) for k, f in enumerate(fields)})


def _fill(kind: type[Method], fields: tuple[Setting, ...], preset: str) -> None:
    chosen = kind.presets.get(preset, {})
    for each in fields:
        put(_key(kind, each), _shown(each, chosen.get(each.name, each.default)))


def _widget(place: Any, kind: type[Method], field: Setting, budget: int | None) -> Any:
    key, default = _key(kind, field), field.default
    if field.optional and field.name == "threshold" and budget is not None:
        key, default = f"{key}_at_budget", None  # with a budget, the user wants the threshold that meets it
    seed(key, _shown(field, default))
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
        raise UserError(f"{field.label} is '{text}': enter a number, or leave it empty.") from None


def _shown(field: Setting, value: Any) -> Any:
    if field.choices:
        return value
    return ("" if value is None else str(value)) if field.kind is str or field.optional else field.kind(value)


def _key(kind: type[Method], field: Setting) -> str:
    return f"{kind.name}_{field.name}"
