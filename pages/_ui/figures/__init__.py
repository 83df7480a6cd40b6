"""Results as Plotly figures: pure functions of results and a palette. No streamlit here.

Show them with `st.plotly_chart(figure, theme=None)`: their colours and type are ours (theme.py).
"""

from pages._ui.figures.compare import before_after
from pages._ui.figures.layers import best_blocks, block_influence
from pages._ui.figures.map import block_words, chosen_shapes, passing_shapes, similarity_map
from pages._ui.figures.preview import loss_preview
from pages._ui.figures.strip import layer_strip

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
]
