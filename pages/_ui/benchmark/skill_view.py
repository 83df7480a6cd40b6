"""Where it hurts: measure what each skill loses without each layer, read it, and select layers by clicking."""

import streamlit as st

from pages._ui.figures.skill_map import skill_map
from pages._ui.shared.choice import add_or_replace, choice_bar
from pages._ui.shared.job_panel import job_panel, so_far
from pages._ui.shared.model_and_text import of_the_demo
from pages._ui.state import session
from prune_core.pipeline.specs import SkillMapSpec
from prune_core.schema.plan import Block, Plan
from prune_core.schema.skill_map import CLEAR, SkillMap, skills_csv
from prune_core.schema.skill_words import readings
from prune_core.schema.wording import seconds_in_words
from prune_core.store import jobs


def skill_view(plan: Plan) -> None:
    """The settings, the job, and the map as measured so far."""
    st.write(
        "Drops each layer on its own and runs the tasks again. A single loss value hides which skills pay for a cut; "
        "this shows them."
    )
    store, spec = session.store(), _settings(plan.num_layers)
    job_id = jobs.job_id(spec)
    job = jobs.status(store, job_id)
    if job is None or job.state in jobs.STOPPED:
        label = "Measure where it hurts" if so_far(job_id) is None else "Resume measuring"
        if st.button(label, type="primary", icon=":material/play_arrow:"):
            jobs.submit(store, spec)
            st.rerun()
    job_panel(job_id, "Measuring where it hurts", lambda: _show(job_id, plan, live=True))
    if job is not None and job.state in jobs.FINISHED:
        _show(job_id, plan)


def _settings(num_layers: int) -> SkillMapSpec:
    """Which tasks (those of the benchmark), how many items, how many layers at a time."""
    now = session.workspace()
    wanted = SkillMapSpec(now.model, now.evaluation.tasks, now.evaluation.task_folder, fewshot=now.evaluation.fewshot)
    if "tasks" in of_the_demo(now.model, now.evaluation):
        words = "These are the demo's tasks: choose your own under *Before and after*."
        st.warning(words, icon=":material/warning:")
    last = _last_asked(wanted)
    a, b, c = st.columns([2, 1, 1], vertical_alignment="bottom")
    a.markdown(f"**Tasks:** {', '.join(wanted.tasks) or 'none'}, as chosen under *Before and after*.")
    hint = "Uses the first N of each task; 0 means all. With 100, a change of about 10 points stands out from chance."
    limit = int(
        b.number_input("Items per task", 0, 100_000, key=session.seed("skill_limit", last.limit or 0), help=hint)
    )
    hint = "1 drops each layer on its own, 2 each pair of neighbours, and so on."
    key = session.seed("skill_size", min(last.size, num_layers - 1))
    size = int(c.number_input("Layers at a time", 1, num_layers - 1, key=key, help=hint))
    return SkillMapSpec(wanted.model, wanted.tasks, wanted.task_folder, limit or None, wanted.fewshot, size)


def _last_asked(wanted: SkillMapSpec) -> SkillMapSpec:
    """The settings of the last map of this model and these tasks, so that it is shown again; else the defaults."""
    for job_id in jobs.ids(session.store(), "skillmap"):
        spec = session.store().spec(job_id)
        if isinstance(spec, SkillMapSpec) and (spec.model, spec.tasks) == (wanted.model, wanted.tasks):
            return spec
    return wanted


def _show(job_id: str, plan: Plan, live: bool = False) -> None:
    found = so_far(job_id)
    if not isinstance(found, SkillMap) or not len(found.starts):
        return
    metrics = sorted({skill.metric for skill in found.skills})
    metric = metrics[0]
    if len(metrics) > 1 and not live:
        chosen = st.segmented_control("Score", metrics, key=session.seed("skill_metric", metric), required=True)
        metric = chosen or metric
    skills = found.only(metric)
    if not live:
        st.markdown("\n".join(f"- {sentence}" for sentence in readings(skills)))
    _map(skills, plan, live)
    st.caption(
        f"Change in accuracy ({metric}) from the donor; {found.note}. {len(found.starts)} of {found.planned} measured, "
        f"in {seconds_in_words(found.seconds)}. A dot marks a change within {CLEAR:g} standard errors (paired over "
        "items), which may be chance; among many cells a few will exceed it by chance too. Outlined: selected layers."
    )
    if not live:
        click = "**Click a cell to add its layers to the selection or to remove them.**"
        st.write(f"{click} By keyboard: type their numbers on the Plan page.")
        choice_bar(plan)
        csv = skills_csv(found)
        st.download_button("Download CSV", csv, "skills.csv", "text/csv", icon=":material/download:", on_click="ignore")


def _map(skills: SkillMap, plan: Plan, live: bool) -> None:
    """The figure; a click adds its column's layers to the selection, or removes them."""
    figure = skill_map(skills, plan.removed, session.palette())
    if live:
        st.plotly_chart(figure, theme=None, width="stretch", key="skill_map_live")
        return
    # A new key after each change: the chart then keeps no selection of its own, and every click counts.
    key = f"skill_map_{'_'.join(map(str, plan.removed))}"

    def clicked() -> None:
        for point in st.session_state[key].selection.points[:1]:
            start = int(point["customdata"][0])
            add_or_replace(Block(start, start + skills.size), plan.num_layers, adds=True)

    st.plotly_chart(
        figure, theme=None, width="stretch", key=key, on_select=clicked, selection_mode="points", config=CONFIG
    )


CONFIG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}
