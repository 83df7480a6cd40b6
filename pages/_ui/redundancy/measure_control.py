"""Which measure the maps show: what is compared, and over which tokens."""

import streamlit as st

from pages._ui.state import session
from prune_core.schema.measures import LayerStats, Measure, Tokens, families, measure, over_tokens
from prune_core.schema.wording import counted, sequence_noun

LABELS: dict[Tokens, str] = {"without": "without massive ones", "all": "all", "unit": "all, states scaled to norm 1"}
HELP = (
    "A few massive tokens, the first of each text in most models, have norms far above all others and decide linear "
    "CKA by themselves. What was found in this text is further below. Methods go by the first choice."
)
FULL_RANGE = (
    "Colours span the values of the pairs of states from 1 on, so that they are told apart; in full range they span "
    "all that the measure can say, so that maps of different models compare."
)


def measure_control(stats: LayerStats) -> Measure:
    """The measure chosen: the family, then the tokens where there is a choice."""
    names = [m.name for m in families(stats)]
    with st.container(horizontal=True, gap="large"):
        key = session.seed("measure", names[0], among=names)
        family = st.segmented_control("Measure", names, key=key, required=True, format_func=lambda n: measure(n).label)
        family = family or names[0]
        choices = over_tokens(stats, family)
        default = next(iter(choices))
        tokens = default
        if len(choices) > 1:
            key = session.seed(f"tokens_{family}", default, among=choices)
            tokens = st.segmented_control(
                "Tokens", list(choices), key=key, required=True, format_func=lambda t: LABELS[t], help=HELP
            )
    return choices[tokens or default]


def measured_on(stats: LayerStats, what: Measure) -> str:
    """ "Measured on 1,505 tokens of 24 texts, without 31 massive ones."."""
    texts = counted(stats.sequences, sequence_noun(session.workspace().calibration))
    if what.name == "angular_last":
        return f"Measured on the last tokens of {texts}."
    if what.tokens != "without" or stats.norms is None:
        scaled = ", states scaled to norm 1" if what.tokens == "unit" else ""
        return f"Measured on {stats.tokens:,} tokens of {texts}{scaled}."
    out = f"without {counted(stats.excluded, 'massive one')}" if stats.excluded else "none of them massive"
    return f"Measured on {stats.tokens - stats.excluded:,} tokens of {texts}, {out}."
