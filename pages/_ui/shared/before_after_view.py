"""Before and after: one figure, one table, and what both models write."""

import pandas as pd
import streamlit as st

from pages._ui import figures
from pages._ui.shared.plain import plain
from pages._ui.shared.retention_view import show_agreement, show_retention, show_summary
from pages._ui.shared.text_cards import shared_words, text_cards
from pages._ui.state import session
from prune_core.schema.reports import Metric, Report, paired
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import (
    bytes_in_words,
    capitalised,
    describe,
    metric_in_words,
    model_name,
    seconds_in_words,
    text_name,
)
from prune_core.store.catalogue import Entry

SPEED_UPS = {"decode": "decode speed-up", "prefill": "prefill speed-up"}
"""Speeds, and the figure that says how they changed."""
SPEED_UP_WORDS = (
    "A speed-up is the median of the per-round ratios, with both models timed in turn; speeds are each model's own "
    "medians, so their ratio can differ."
)


def show_comparison(run: Entry, spec: RunSpec, result: RunResult) -> None:
    """The whole result of a run: what it is called and of which model, then its figures."""
    cut = capitalised(describe(spec.plan))
    st.subheader(plain(run.about.name) or cut)
    if run.about.name:
        st.markdown(f"**{cut}**")
    model, text = plain(model_name(spec.model)), plain(text_name(spec.calibration))
    st.markdown(f"Model: {model} · calibration text: {text} · created {run.made}")
    st.caption(_made_with(result))
    show_summary(result)
    if result.agreement is not None:
        show_retention(result.agreement)
        show_agreement(result.agreement)
    show_figures(result)
    show_texts(result)


def show_figures(result: RunResult) -> None:
    """All metrics before and after: a figure and a table."""
    st.subheader("Before and after")
    picture = figures.before_after(result.donor, result.pruned, session.palette())
    st.plotly_chart(picture, theme=None, width="stretch", key="before_after")
    table = comparison_table(result.donor, result.pruned)
    st.dataframe(table, hide_index=True, width="stretch", height="content", key="table")
    if any(metric.name in SPEED_UPS.values() for metric in result.pruned.metrics):
        st.caption(SPEED_UP_WORDS)


def show_texts(result: RunResult) -> None:
    """What both models wrote after the prompts."""
    if result.donor.continuations:
        st.subheader("What both models write")
    for before, after in zip(result.donor.continuations, result.pruned.continuations, strict=True):
        text_cards(before.prompt, before.text, after.text, shared_words(before.text, after.text))


def comparison_table(donor: Report, pruned: Report) -> pd.DataFrame:
    """One row per metric: what it is, before, after, change, chance level and how it was measured."""
    ratios = {(m.task, m.name): m for m in pruned.metrics if m.name in SPEED_UPS.values()}
    return pd.DataFrame(
        [
            _row(before, after, ratios.get((after.task, SPEED_UPS.get(after.name, ""))))
            for before, after in paired(donor.metrics, pruned.metrics)
        ]
    )


def _row(before: Metric | None, after: Metric, ratio: Metric | None) -> dict[str, str]:
    return {
        "On": after.task,
        "Metric": after.name + (" ↑" if after.higher_is_better else " ↓"),
        "Donor": metric_in_words(before) if before else "",
        "Pruned": metric_in_words(after),
        "Change": metric_in_words(ratio) if ratio else _change(before, after) if before else "",
        "Chance": f"{100 * after.chance:.0f}%" if after.chance is not None else "",
        "Items": f"{after.samples:,}" if after.samples else "",
        "How measured": after.note,
    }


def _change(before: Metric, after: Metric) -> str:
    delta = after.value - before.value
    if after.unit == "fraction":
        return f"{100 * delta:+.1f} points"
    if after.unit == "bytes":
        return ("-" if delta < 0 else "+") + bytes_in_words(abs(delta))
    return f"{100 * delta / before.value:+.1f}%" if before.value else ""


def _made_with(result: RunResult) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in result.versions.items())
    return f"Took {seconds_in_words(result.seconds)}. {versions}. ± is one standard error."
