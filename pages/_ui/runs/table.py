"""The table of runs: search, filters, order, and the selected rows."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pandas as pd
import streamlit as st

from pages._ui.state import session
from prune_core.schema.key_figures import KEYS, Key, KeyFigure, key
from prune_core.schema.wording import capitalised
from prune_core.store.catalogue import Entry, matching

NEWEST, NAME = "newest first", "name"
TABLE_PX = 420
ROW_PX, HEAD_PX = 35, 38
CHOSEN, TURN = "runs_chosen", "runs_turn"
"""Kept in the session: the selected ids, and how often something other than the table selected them."""


def chosen_ids() -> tuple[str, ...]:
    """The selected runs."""
    return session.get(CHOSEN, ())


def choose(ids: Sequence[str]) -> None:
    """Select exactly these runs, as if by hand."""
    session.put(CHOSEN, tuple(ids))
    session.put(TURN, session.get(TURN, 0) + 1)


def filter_bar(runs: list[Entry]) -> list[Entry]:
    """Search, filters and order; the runs that remain, in order."""
    a, b, c, d, e = st.columns([3, 2, 2, 2, 2], vertical_alignment="bottom")
    hint = "Words from the name, plan, model, method, tags, notes or id."
    text = a.text_input("Search", key=session.seed("runs_text", ""), placeholder="sleb wikitext", help=hint)
    tags = _several(b, "Tags", "runs_tags", sorted({tag for run in runs for tag in run.about.tags}))
    models = _several(c, "Models", "runs_models", sorted({run.model for run in runs if run.model}))
    states = _several(d, "States", "runs_states", sorted({run.state for run in runs}))
    measured = [each for each in KEYS if any(each.name in run.figures for run in runs)]
    orders = [NEWEST, NAME, *(each.name for each in measured)]
    order = e.selectbox("Sort by", orders, key=session.seed("runs_order", NEWEST, orders), format_func=_order_words)
    return _ordered(matching(runs, text, tags, models, states), order)


def table(runs: list[Entry]) -> list[Entry]:
    """Draw the runs; returns the selected ones, in the table's order."""
    both = st.toggle("Show the donors' figures", key=session.seed("runs_donors", False))
    ids = [run.id for run in runs]
    rows = [i for i, run_id in enumerate(ids) if run_id in chosen_ids()]
    frame, columns = _frame(runs, both)
    event: Any = st.dataframe(
        frame,
        hide_index=True,
        height=min(TABLE_PX, HEAD_PX + ROW_PX * len(runs)),
        column_config=columns,
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="",
        # Rows are selected by position, so different rows, or a selection made elsewhere, need a new table.
        key=f"runs_{sha256(' '.join([*ids, str(session.get(TURN, 0))]).encode()).hexdigest()[:12]}",
        selection_default={"selection": {"rows": rows}},
    )
    ticked = [runs[i] for i in sorted(event.selection.rows)]
    session.put(CHOSEN, tuple(run.id for run in ticked))
    return ticked


def _several(place: Any, label: str, name: str, options: list[str]) -> tuple[str, ...]:
    kept = [each for each in session.get(session.seed(name, [])) if each in options]
    if kept != session.get(name):  # what it had selected is gone
        session.put(name, kept)
    return tuple(place.multiselect(label, options, key=name, placeholder="all", disabled=not options))


def _order_words(order: str) -> str:
    if order in (NEWEST, NAME):
        return order
    return f"{key(order).label}, best first"


def _ordered(runs: list[Entry], order: str) -> list[Entry]:
    if order == NEWEST:
        return runs
    if order == NAME:
        return sorted(runs, key=lambda run: run.title.lower())
    sign = -1 if key(order).higher_is_better else 1
    there = [run for run in runs if order in run.figures]
    there.sort(key=lambda run: sign * run.figures[order].pruned)
    return there + [run for run in runs if order not in run.figures]


def _frame(runs: list[Entry], both: bool) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table's data, and how its columns are shown. Numbers stay numbers, so that a click on a heading sorts."""
    data: dict[str, list[Any]] = {
        **({"Name": [run.about.name for run in runs]} if any(run.about.name for run in runs) else {}),
        "Plan": [run.plan for run in runs],
        **({"Model": [run.model for run in runs]} if len({run.model for run in runs}) > 1 else {}),
        "Created": [run.made for run in runs],
        "Method": [run.method for run in runs],
        "State": [run.state for run in runs],
    }
    columns: dict[str, Any] = {
        "Name": st.column_config.TextColumn(width="medium"),
        "Plan": st.column_config.TextColumn(width="medium"),
        "Method": st.column_config.TextColumn(width="small"),
        "State": st.column_config.TextColumn(width="small"),
    }
    for each in KEYS:
        found = [run.figures.get(each.name) for run in runs]
        if any(found):
            _add_figure(each, found, both, data, columns)
    data |= {
        "Model": [run.model for run in runs],
        "Tags": [list(run.about.tags) for run in runs],
        "Notes": [run.about.notes for run in runs],
        "Id": [run.id for run in runs],
    }
    columns["Tags"] = st.column_config.ListColumn(width="small")
    return pd.DataFrame(data), columns


def _add_figure(
    which: Key, found: list[KeyFigure | None], both: bool, data: dict[str, list[Any]], columns: dict[str, Any]
) -> None:
    """A column for the pruned model's figure, one for its error where there is any, and the donor's on request."""
    label, scale, form = _shown(which)
    parts = [("pruned", label), ("pruned_error", f"± {label}")]
    if both and "donor" in which.sides:
        parts += [("donor", f"{label}, donor"), ("donor_error", f"± {label}, donor")]
    for part, heading in parts:
        values = [getattr(figure, part, None) for figure in found]
        if part in ("pruned", "donor") or any(value is not None for value in values):
            data[heading] = [None if value is None else value * scale for value in values]
            hint = f"One standard error of the {which.label}." if part.endswith("_error") else _better(which)
            columns[heading] = st.column_config.NumberColumn(format=form, help=hint)


def _shown(which: Key) -> tuple[str, float, str]:
    """(heading with its unit, factor, number format)."""
    label = capitalised(which.label)
    if which.unit == "fraction":
        return f"{label}, %", 100.0, "%.1f"
    if which.unit == "bytes":
        return f"{label}, MB", 1e-6, "%.1f"
    if which.name == "parameters":
        return f"{label}, M", 1e-6, "%.2f"
    unit = f", {which.unit}" if which.unit else ""
    return f"{label}{unit}", 1.0, "%.1f" if which.unit == "tokens/s" else "%.3f"


def _better(which: Key) -> str:
    return f"Of the pruned model; {'higher' if which.higher_is_better else 'lower'} is better."
