"""LayerScope: see which layers of a language model are redundant, cut them, and measure what the cut costs."""

from pathlib import Path

import streamlit as st

from pages._ui.shared.follow_theme import follow_theme, theme_type
from pages._ui.shared.model_and_text import looked_at
from pages._ui.shared.theme import palette, style
from pages._ui.state import front_door
from prune_core.schema.errors import UserError

# A file, since Streamlit fetches named icons from the network.
st.set_page_config("LayerScope", page_icon=str(Path(__file__).parent / "assets" / "images" / "icon.png"), layout="wide")
follow_theme()
st.html(style(palette(theme_type())))
page = front_door.enter()
try:
    looked_at()
    page.run()
except UserError as error:  # what a page did not handle, such as a full disk
    st.error(str(error), icon=":material/error:")
