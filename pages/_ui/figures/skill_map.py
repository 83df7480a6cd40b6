"""Where it hurts: what each skill loses without each layer, in colours on both sides of "no change"."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures.frame import frame
from pages._ui.figures.similarity_map import tick_step
from pages._ui.shared.theme import CHOSEN, HALO, LIGHT, SMALL_PX, Palette
from prune_core.schema.skill_map import CLEAR, Skill, SkillMap
from prune_core.schema.skill_words import block_name, skill_name

FEW = 14  # up to this many rows have room for two lines of text
NUMBERED = 24  # up to this many blocks, the change is written into its cell
LEAST = 20.0  # the scale spans at least this many points each way, so that noise stays pale
WITHIN = "·"
"""Shown in a cell whose change is within its error."""


@dataclass(frozen=True)
class Row:
    """One skill, or their mean: `change`, `error` float64 [all blocks], in points, NaN where not measured yet."""

    name: str
    change: np.ndarray
    error: np.ndarray
    words: list[str]


def skill_map(skills: SkillMap, chosen: Iterable[int] = (), palette: Palette = LIGHT) -> go.Figure:
    """Skills from top to bottom, blocks from left to right; the colour is the change in accuracy in points.

    A cell within `CLEAR` standard errors of no change has a dot instead of its number. Blocks whose layers are all
    `chosen` are outlined. An invisible square over each cell takes the clicks, as heat maps report none in
    Streamlit; its customdata is the block's first layer.
    """
    rows, starts = _rows(skills), range(skills.num_layers - skills.size + 1)
    change, error = np.stack([row.change for row in rows]), np.stack([row.error for row in rows])
    most = max(LEAST, 10 * np.ceil(np.nanmax(np.abs(change), initial=0) / 10))
    figure = go.Figure(
        go.Heatmap(
            z=change,
            text=_marks(change, np.abs(change) > CLEAR * error),
            texttemplate="%{text}",
            textfont=dict(size=SMALL_PX),
            zmin=-most,
            zmax=most,
            colorscale=[[0, palette.removed], [0.5, palette.panel], [1, palette.primary]],
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            hoverongaps=False,
            colorbar=_colour_bar(most),
        )
    )
    figure.add_trace(_squares(rows, len(starts)))
    few = len(rows) <= FEW
    names = [row.name if few else row.name.replace("<br>", ", ") for row in rows]
    longest = max(len(line) for name in names for line in name.split("<br>"))
    margin = {"l": min(320, 30 + 7 * longest), "r": 80, "t": 10, "b": 50}
    height = (38 if few else 22) * len(rows) + margin["t"] + margin["b"]
    frame(figure, palette, margin, height=height, hovermode="closest", dragmode=False)
    title = "layer dropped" if skills.size == 1 else f"first of the {skills.size} layers dropped"
    ticks = list(starts)[:: tick_step(len(starts), 24)]
    ends = [-0.5, len(starts) - 0.5]
    figure.update_xaxes(title_text=title, tickvals=ticks, range=ends, showgrid=False, zeroline=False)
    ends = [len(rows) - 0.5, -0.5]
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, range=ends, showgrid=False, zeroline=False, ticks=""
    )
    layers = set(chosen)
    marked = [start for start in starts if layers >= set(range(start, start + skills.size))]
    figure.update_layout(shapes=[shape for start, stop in _runs(marked) for shape in _outline(start, stop, len(rows))])
    return figure


def _rows(skills: SkillMap) -> list[Row]:
    """The mean of the skills, where there are several, and each skill."""
    blocks = [block_name(int(start), skills.size) for start in skills.starts]
    rows = []
    if len(skills.skills) > 1:
        change, error = 100 * skills.mean_change, 100 * skills.mean_change_stderr
        words = [
            f"all {len(skills.skills)} skills without {block}<br>mean {_change_words(*cell)}"
            for block, *cell in zip(blocks, change, error, strict=True)
        ]
        name = f"<b>mean of skills</b><br>donor {100 * skills.donor.mean():.0f}%"
        rows.append(_row(skills, name, change, error, words))
    for k, skill in enumerate(skills.skills):
        change, error = 100 * skills.change[:, k], 100 * skills.change_stderr[:, k]
        words = [
            f"{skill_name(skill)} without {block}<br>"
            f"{_accuracy_words(skill, accuracy, skills.donor[k])}<br>{_change_words(*cell)}"
            for block, accuracy, *cell in zip(blocks, skills.accuracy[:, k], change, error, strict=True)
        ]
        rows.append(_row(skills, f"{skill_name(skill)}<br>donor {100 * skills.donor[k]:.0f}%", change, error, words))
    return rows


def _row(skills: SkillMap, name: str, change: np.ndarray, error: np.ndarray, words: list[str]) -> Row:
    """change, error, words: of the blocks measured so far, put at their places among all of them."""
    count = skills.num_layers - skills.size + 1
    changes, errors, told = np.full(count, np.nan), np.full(count, np.nan), [""] * count
    changes[skills.starts], errors[skills.starts] = change, error
    for start, text in zip(skills.starts, words, strict=True):
        told[start] = text
    return Row(name, changes, errors, told)


def _accuracy_words(skill: Skill, accuracy: float, donor: float) -> str:
    donor_words = f"donor {100 * donor:.1f}%, chance {100 * skill.chance:.0f}%"
    return f"{100 * accuracy:.1f}% of {skill.items:,} items right ({donor_words})"


def _change_words(change: float, error: float) -> str:
    spread = f" ± {error:.1f}" if np.isfinite(error) else ""
    surely = "" if abs(change) > CLEAR * error else f"<br>within {CLEAR:g} standard errors: no clear change"
    return f"change {change:+.1f}{spread} points{surely}"


def _marks(change: np.ndarray, clear: np.ndarray) -> list[list[str]]:
    """The text in the cells: the change, or a dot within its error; nothing where not measured."""
    numbered = change.shape[1] <= NUMBERED

    def mark(points: float, is_clear: bool) -> str:
        if np.isnan(points):
            return ""
        return WITHIN if not is_clear else f"{points:+.0f}".replace("-", "−") if numbered else ""

    return [[mark(*cell) for cell in zip(*row, strict=True)] for row in zip(change, clear, strict=True)]


def _squares(rows: list[Row], count: int) -> go.Scatter:
    """The invisible squares over the measured cells, which take hovers and clicks."""
    places = [(y, x) for y, row in enumerate(rows) for x in range(count) if not np.isnan(row.change[x])]
    return go.Scatter(
        x=[x for _, x in places],
        y=[y for y, _ in places],
        customdata=[[x] for _, x in places],
        text=[rows[y].words[x] for y, x in places],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker=dict(symbol="square", size=max(8, min(34, 900 // count)), opacity=0),
        selected=dict(marker=dict(opacity=0)),
        unselected=dict(marker=dict(opacity=0)),
        showlegend=False,
    )


def _colour_bar(most: float) -> dict[str, object]:
    small = dict(size=SMALL_PX)
    title = dict(text="change in accuracy, points", side="right", font=small)
    ticks = [-most, -most / 2, 0, most / 2, most]
    words = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    return dict(
        title=title, thickness=14, outlinewidth=0, tickfont=small, tickvals=ticks, ticktext=words, len=1, ypad=0
    )


def _runs(starts: list[int]) -> list[tuple[int, int]]:
    """Neighbouring columns as half-open (first, last)."""
    firsts = [start for start in starts if start - 1 not in starts]
    lasts = [start + 1 for start in starts if start + 1 not in starts]
    return list(zip(firsts, lasts, strict=True))


def _outline(start: int, stop: int, rows: int) -> list[dict[str, object]]:
    """Columns start..stop-1 as a line with a dark edge, as selected blocks have on the other maps."""
    shape = dict(type="rect", x0=start - 0.5, x1=stop - 0.5, y0=-0.5, y1=rows - 0.5, layer="above")
    return [{**shape, "line": dict(color=colour, width=width)} for colour, width in ((HALO, 4.5), (CHOSEN, 2.5))]
