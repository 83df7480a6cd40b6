"""How much of the donor is left: in a few numbers, skill by skill, token by token."""

import pandas as pd
import streamlit as st

from pages._ui.figures.retention import retention, skill_words
from pages._ui.state import session
from prune_core.schema.reports import Agreement, Metric, Retention
from prune_core.schema.run import RunResult
from prune_core.schema.wording import capitalised, metric_in_words, retained

STABILITY = "Stability"
NAMES = {"same likeliest token": "same most likely token"}
"""Metrics shown under another name than the one that results store."""


def show_summary(result: RunResult) -> None:
    """The run in a few numbers, each with its error and, behind the question mark, how it was measured."""
    ours, theirs = result.pruned.metrics, (result.agreement or Agreement()).metrics
    before, after = _find(result.donor.metrics, "perplexity"), _find(ours, "perplexity")
    tiles = []
    if before is not None and after is not None:
        tiles.append(("Perplexity", f"{before.value:,.3f} → {after.value:,.3f}", f"{after.task}: {after.note}"))
    for label, metric in (
        ("Retained performance", _find(theirs, "retained performance, acc")),
        ("KL from donor", _find(theirs, "KL from donor")),
        ("Decode speed, pruned ÷ donor", _find(ours, "decode speed-up")),
    ):
        if metric is not None:
            tiles.append((label, metric_in_words(metric), metric.note))
    with st.container(horizontal=True, gap="medium"):
        for label, value, note in tiles:
            st.metric(label, value, help=note, width="content")
    said = [f"Perplexity on {after.task}: {after.note}."] if after is not None else []
    said += at_chance(result.agreement)
    if said:
        st.caption(" ".join(said))


def show_retention(agreement: Agreement) -> None:
    """Which skills lost and which did not: a sentence, a picture, a table."""
    if not agreement.retention:
        return
    st.subheader("What is left of each skill")
    st.markdown(verdicts(agreement.retention))
    st.caption(
        "Both models answer the same items, so the change is paired: 95% bootstrap intervals, p from McNemar's exact "
        "test. Among many skills, about one in twenty looks lost or gained by chance."
    )
    figure = retention(agreement.retention, session.palette())
    st.plotly_chart(figure, theme=None, width="stretch", key="retention")
    with st.expander("Skills as a table"):
        st.dataframe(retention_table(agreement), hide_index=True, width="stretch", height="content")


def at_chance(agreement: Agreement | None) -> list[str]:
    """A caveat beside the retained performance if the donor itself only guesses on some task."""
    rows = agreement.retention if agreement else ()
    names = [skill_words(row) for row in _single(rows) if row.at_chance]
    if not names:
        return []
    return [f"Retained performance says nothing about tasks where the donor itself is at chance: {_listed(names)}."]


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{len(names)} skills"


def _single(rows: tuple[Retention, ...]) -> list[Retention]:
    """The rows of single tasks, each by its first metric."""
    found: dict[str, Retention] = {}
    for row in rows:
        if row.members == 1:
            found.setdefault(row.task, row)
    return list(found.values())


def verdicts(rows: tuple[Retention, ...]) -> str:
    """ "Lost: arithmetic. No loss measured: facts, tracking." Over single tasks, by their first metric."""
    said = []
    for verdict, words in (
        ("lost", "**Lost:**"),
        ("unclear", "**Unclear:**"),
        ("gained", "**Gained:**"),
        ("kept", "**No loss measured:**"),
        ("at chance", "**Uninformative** (the donor itself is at chance):"),
    ):
        names = [skill_words(row) for row in _single(rows) if row.verdict == verdict]
        if names:
            said.append(f"{words} {_listed(names)}.")
    return " ".join(said)


def retention_table(agreement: Agreement) -> pd.DataFrame:
    """One row per task, group or mean, and metric; Stability is for acc."""
    stable = {(metric.task, "acc"): metric_in_words(metric) for metric in agreement.metrics if metric.name == STABILITY}
    return pd.DataFrame(
        {
            "Skill": row.task,
            "Metric": row.metric,
            "Donor": f"{100 * row.donor:.1f}%",
            "Pruned": f"{100 * row.pruned:.1f}%",
            "Change": retained(row),
            "Lost": row.lost,
            "Gained": row.won,
            "Items": row.items,
            STABILITY: stable.get((row.task, row.metric), ""),
        }
        for row in agreement.retention
    )


def show_agreement(agreement: Agreement) -> None:
    """KL, top-1 agreement, Stability, retained performance, with what each means."""
    if not agreement.metrics:
        return
    st.subheader("Agreement with the donor")
    st.table(agreement_table(agreement.metrics).set_index("Measure"), border="horizontal")


MEANINGS = {
    "KL from donor": "Information lost per token when the pruned model stands in for its donor; 0 is none.",
    "same likeliest token": "How often both models agree on the most likely next token.",
    STABILITY: "Share of items that both get right or both get wrong; confident answers weigh more.",
    "retained performance": "Pruned ÷ donor mean accuracy.",
}


def agreement_table(metrics: tuple[Metric, ...]) -> pd.DataFrame:
    """One row per number: value, meaning, how it was measured. For Stability only the mean over tasks, if any."""
    last = [metric for metric in metrics if metric.name == STABILITY][-1:]
    return pd.DataFrame(
        {
            "Measure": capitalised(NAMES.get(metric.name, metric.name)),
            "Value": metric_in_words(metric),
            "Meaning": MEANINGS[metric.name.partition(",")[0]],
            "How measured": f"{metric.task}: {metric.note}",
        }
        for metric in metrics
        if metric.name != STABILITY or metric in last
    )


def _find(metrics: tuple[Metric, ...], name: str) -> Metric | None:
    return next((metric for metric in metrics if metric.name == name), None)
