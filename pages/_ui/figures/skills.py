"""Where it hurts: what each skill loses without each layer, in colours on both sides of "no change"."""

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.map import tick_step
from pages._ui.theme import CHOSEN, LIGHT, SMALL_PX, Palette
from prune_core.skill_words import block_name, skill_name
from prune_core.skills import CLEAR, SkillMap

ROW_PX = 38
NUMBERED = 20  # up to so many blocks the change is written into its cell
WITHIN = "·"
"""Stands in a cell whose change is within its error."""


def skill_map(skills: SkillMap, chosen: tuple[int, ...] = (), palette: Palette = LIGHT) -> go.Figure:
    """Skills from top to bottom, blocks from left to right; the colour is the change of accuracy in points.

    A cell within `CLEAR` standard errors of no change has a dot instead of its number. Columns of `chosen` layers are
    outlined. Over each cell lies an unseen square that can be clicked, as heat maps report no clicks in Streamlit:
    its customdata is the block's first layer.
    """
    starts, rows = skills.num_layers - skills.size + 1, len(skills.skills)
    change, error = (_by_start(skills, values) for values in (100 * skills.change, 100 * skills.change_stderr))
    accuracy = _by_start(skills, 100 * skills.accuracy)
    clear = np.abs(change) > CLEAR * error
    names = [
        f"{skill_name(skill)}<br>donor {100 * d:.0f}%" for skill, d in zip(skills.skills, skills.donor, strict=True)
    ]
    most = max(20.0, 10 * np.ceil(np.nanmax(np.abs(change), initial=0) / 10))
    x, y = list(range(starts)), list(range(rows))
    figure = go.Figure(
        go.Heatmap(
            x=x,
            y=y,
            z=change,
            text=_cell_marks(change, clear),
            texttemplate="%{text}",
            textfont=dict(size=SMALL_PX),
            zmin=-most,
            zmax=most,
            colorscale=[[0, palette.removed], [0.5, palette.panel], [1, palette.primary]],
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            hoverongaps=False,
            colorbar=dict(
                title=dict(text="change of accuracy, points", side="right", font=dict(size=SMALL_PX)),
                thickness=14,
                outlinewidth=0,
                tickfont=dict(size=SMALL_PX),
                ticksuffix="",
                tickformat="+d",
            ),
        )
    )
    measured = ~np.isnan(change)
    places = [(row, start) for row in y for start in x if measured[row, start]]
    figure.add_scatter(
        x=[start for _, start in places],
        y=[row for row, _ in places],
        customdata=[[start] for _, start in places],
        text=[_words(skills, row, start, change, error, accuracy) for row, start in places],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker=dict(symbol="square", size=max(8, min(30, 900 // starts)), opacity=0),
        selected=dict(marker=dict(opacity=0)),
        unselected=dict(marker=dict(opacity=0)),
        showlegend=False,
    )
    margin = {"l": 120, "r": 70, "t": 10, "b": 50}
    frame(figure, palette, margin, height=ROW_PX * rows + margin["t"] + margin["b"], hovermode="closest")
    step = tick_step(starts, 32)
    title = "layer that is dropped" if skills.size == 1 else f"first of the {skills.size} layers that are dropped"
    figure.update_xaxes(
        title_text=title, tickvals=x[::step], range=[-0.5, starts - 0.5], showgrid=False, zeroline=False
    )
    figure.update_yaxes(tickvals=y, ticktext=names, range=[rows - 0.5, -0.5], showgrid=False, zeroline=False)
    figure.update_layout(dragmode=False, shapes=[_outline(layer, rows) for layer in chosen if layer < starts])
    return figure


def _by_start(skills: SkillMap, values: np.ndarray) -> np.ndarray:
    """values: [S, K] of the blocks measured so far; [K, all blocks], NaN where not measured."""
    cells = np.full((len(skills.skills), skills.num_layers - skills.size + 1), np.nan)
    cells[:, skills.starts] = values.T
    return cells


def _cell_marks(change: np.ndarray, clear: np.ndarray) -> list[list[str]]:
    """What is written into the cells: the change, or a dot within its error; nothing where not measured."""
    numbered = change.shape[1] <= NUMBERED
    return [
        ["" if np.isnan(d) else WITHIN if not c else f"{d:+.0f}" if numbered else "" for d, c in zip(*row, strict=True)]
        for row in zip(change, clear, strict=True)
    ]


def _words(skills: SkillMap, row: int, start: int, change: np.ndarray, error: np.ndarray, accuracy: np.ndarray) -> str:
    """What a hover says about one cell."""
    skill, place = skills.skills[row], (row, start)
    spread = f" ± {error[place]:.1f}" if np.isfinite(error[place]) else ""
    surely = (
        "" if abs(change[place]) > CLEAR * error[place] else f"<br>within {CLEAR:g} standard errors: no clear change"
    )
    return (
        f"{skill_name(skill)} without {block_name(start, skills.size)}<br>"
        f"{accuracy[place]:.1f}% of {skill.items:,} items, donor {100 * skills.donor[row]:.1f}%, "
        f"chance {100 * skill.chance:.0f}%<br>"
        f"change {change[place]:+.1f}{spread} points{surely}"
    )


def _outline(layer: int, rows: int) -> dict[str, object]:
    """The column of a chosen layer."""
    line = dict(color=CHOSEN, width=2)
    return dict(type="rect", x0=layer - 0.5, x1=layer + 0.5, y0=-0.5, y1=rows - 0.5, line=line, layer="above")
