"""Results as Plotly figures: pure functions of results and a palette. No Streamlit here.

Show them with `st.plotly_chart(figure, theme=None)`: their colours and fonts are ours (theme.py).
"""

from pages._ui.figures.before_after import before_after
from pages._ui.figures.layer_bars import best_blocks, block_influence
from pages._ui.figures.layer_strip import layer_strip
from pages._ui.figures.norms import state_norms
from pages._ui.figures.similarity_map import block_words, chosen_shapes, passing_shapes, similarity_map
from pages._ui.figures.tried_cuts import loss_preview

__all__ = [
    "before_after",
    "best_blocks",
    "block_influence",
    "block_words",
    "chosen_shapes",
    "layer_strip",
    "loss_preview",
    "passing_shapes",
    "similarity_map",
    "state_norms",
]
