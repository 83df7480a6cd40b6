"""The norms of the hidden states and the massive tokens among them: how many, where, in which states."""

import pandas as pd
import streamlit as st

from pages._ui import figures
from pages._ui.shared.paper_links import linked
from pages._ui.state import session
from prune_core.schema.measures import LayerStats
from prune_core.schema.norms import RULE
from prune_core.schema.wording import massive_in_words

SHOWN = 8


def norms_view(stats: LayerStats) -> None:
    """Nothing where norms were not measured."""
    norms = stats.norms
    if norms is None:
        return
    st.subheader("Norms and massive tokens")
    st.write(massive_in_words(norms, stats.tokens))
    chart = figures.state_norms(norms, session.palette())
    st.plotly_chart(chart, theme=None, width="stretch", key="norms")
    st.caption(
        f"{RULE} The median is of the tokens in the same window of the text. A token that is massive in any state is "
        f"left out of CKA for all pairs of states. Sources: {linked('arXiv 2402.17762')}, {linked('arXiv 2309.17453')}."
    )
    if norms.examples:
        rows = [
            {
                "Token": repr(each.text)[1:-1] if each.text else "",
                "Token id": each.token_id,
                "Position": each.position,
                "Times": each.count,
                "Massive from state": each.first_state,
                "to state": each.last_state,
            }
            for each in norms.examples[:SHOWN]
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", key="massive")
