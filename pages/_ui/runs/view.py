"""What the selected runs show: one in full, several side by side, and all of them as quality against cost."""

import pandas as pd
import streamlit as st

from pages._ui.figures.pareto import letter, on_front, pareto
from pages._ui.figures.runs_beside import beside as beside_figure
from pages._ui.runs import report
from pages._ui.runs.table import choose, chosen_ids
from pages._ui.shared.before_after_view import show_comparison
from pages._ui.shared.export import show_export
from pages._ui.shared.job_panel import job_panel
from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.schema.key_figures import COST, QUALITY, key
from prune_core.store import catalogue
from prune_core.store.catalogue import Entry
from prune_core.store.side_by_side import FEWEST, MOST, Table, beside, marked

PARETO = "runs_pareto"
WIDTHS = {"On": 190, "Metric": 190, "donor": 190}
"""Of columns of the table of runs side by side, in pixels."""


def show_ticked(ticked: list[Entry]) -> None:
    """One run in full, or 2 to 8 side by side."""
    if len(ticked) == 1:
        _show_one(catalogue.entry(session.store(), ticked[0].id))  # as its files are now
    elif len(ticked) > MOST:
        st.info(f"{len(ticked)} runs are selected: compare {FEWEST} to {MOST}.", icon=":material/info:")
    elif ticked:
        _show_several(ticked)


def _show_one(run: Entry) -> None:
    if run.state != "done":
        if run.state in ("queued", "running"):
            job_panel(run.id, plain(run.title))
        else:
            st.warning(f"This run is {run.state}. {run.reason}", icon=":material/warning:")
        return
    if run.about.notes:
        st.markdown(run.about.notes)
    try:
        spec, result = catalogue.finished(session.store(), run.id)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    show_comparison(run, spec, result)
    show_export(run.id, spec, result)


def _show_several(ticked: list[Entry]) -> None:
    wholes, store = [], session.store()
    for run in ticked:
        try:
            wholes.append((run, *catalogue.finished(store, run.id)))
        except UserError as error:
            st.warning(f"{plain(run.title)} is left out. {error}", icon=":material/warning:")
    if len(wholes) < FEWEST:
        return
    names = report.names_of([run for run, _, _ in wholes])
    results = [(name, result) for name, (_, _, result) in zip(names, wholes, strict=True)]
    st.subheader(f"{len(wholes)} runs side by side")
    for i, draw in enumerate(report.cut_figures(names, [spec for _, spec, _ in wholes])):
        st.plotly_chart(draw(session.palette()), theme=None, width="stretch", key=f"strips_{i}")
    # The table fits its columns to the first rows alone; the longest words stand further down.
    widths = {name: st.column_config.Column(width=px) for name, px in WIDTHS.items()}
    frame = _frame(beside(results))
    st.dataframe(frame, hide_index=True, height="content", column_config=widths, key="beside_table")
    st.caption(f"{report.MARKS} Only figures measured the same way share a row.")
    picture = beside_figure(dict(results), session.palette())
    st.plotly_chart(picture, theme=None, width="stretch", key="beside_figure")


def _frame(table: Table) -> pd.DataFrame:
    rows = []
    for row in table.rows:
        arrow = "↑" if row.metric.higher_is_better else "↓"
        line = {"On": row.metric.task, "Metric": f"{row.metric.name} {arrow}"}
        line |= {heading: marked(row, column) for column, heading in enumerate(table.headings)}
        rows.append(line | {"How measured": row.metric.note})
    return pd.DataFrame(rows)


def pareto_view(runs: list[Entry]) -> list[Entry]:
    """Quality against cost of all `runs`; a click on one selects it. Returns the selected ones."""
    qualities, costs = (
        [name for name in names if any(name in run.figures for run in runs)] for names in (QUALITY, COST)
    )
    if not qualities or not costs:
        st.info("None of these runs has both a quality and a cost figure yet.", icon=":material/info:")
        return []
    a, b, c = st.columns([1, 1, 3], vertical_alignment="bottom")
    y = a.selectbox("Quality", qualities, key=session.seed("pareto_y", qualities[0], qualities), format_func=_label)
    x = b.selectbox("Cost", costs, key=session.seed("pareto_x", costs[0], costs), format_func=_label)
    both = [run for run in runs if x in run.figures and y in run.figures]
    ways = list(dict.fromkeys(_way(run, x, y) for run in both))
    if not ways:
        st.info("No run has both of these figures.", icon=":material/info:")
        return []
    hint = "Only figures measured the same way can be compared."
    way = c.selectbox("Measured on", ways, key=session.seed("pareto_on", ways[0], ways), help=hint)
    alike = [run for run in both if _way(run, x, y) == way]
    ticked = [run for run in alike if run.id in chosen_ids()]
    figure = pareto(alike, key(x), key(y), chosen_ids(), session.palette())
    st.plotly_chart(figure, theme=None, key=PARETO, on_select=_tick_point, selection_mode="points")
    names = ", ".join(f"**{letter(i)}** {plain(run.title)}" for i, run in enumerate(on_front(alike, key(x), key(y))))
    st.caption(f"Pareto front: {names}. Click a run to select or deselect it. Bars are ± one standard error.")
    return ticked


def _tick_point() -> None:
    """A click on a run in the figure."""
    points = (session.get(PARETO) or {}).get("selection", {}).get("points", [])
    clicked = [point["customdata"][0] for point in points if point.get("customdata")]
    now = chosen_ids()
    choose([run_id for run_id in now if run_id not in clicked] + [run_id for run_id in clicked if run_id not in now])


def _way(run: Entry, x: str, y: str) -> str:
    """How the two figures were measured; counts and sizes are the same everywhere."""
    speed = run.figures[x].on if key(x).unit == "tokens/s" else ""
    return "; ".join(filter(None, (run.figures[y].on, speed)))


def _label(name: str) -> str:
    return key(name).label
