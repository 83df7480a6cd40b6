"""What can be done with the selected runs: name, tag, rerun, resume, edit, export, delete; and import a recipe."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from pages._ui.runs import report
from pages._ui.runs.table import choose
from pages._ui.runs.trash import delete
from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.export.recipes import parse_recipe
from prune_core.schema.errors import UserError
from prune_core.schema.run import RunSpec
from prune_core.schema.serial import dumps
from prune_core.schema.wording import capitalised, describe
from prune_core.store import catalogue, jobs
from prune_core.store.catalogue import About, Entry
from prune_core.store.side_by_side import FEWEST, MOST, beside, comparison_csv, table_csv


def action_bar(ticked: list[Entry], shown: list[Entry]) -> None:
    """The buttons for the selected runs; with none selected, what selecting does."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if not ticked:
            st.markdown(f"Select one run to open it, or {FEWEST}–{MOST} to compare.")
            _csv("This table as CSV", shown, "runs.csv")
            return
        if len(ticked) == 1:
            _one(ticked[0])
        else:
            _tag_several(ticked)
        _downloads(ticked)
        ids = tuple(run.id for run in ticked)
        label = "Delete" if len(ids) == 1 else f"Delete {len(ids)} runs"
        st.button(label, on_click=delete, args=(ids,), icon=":material/delete:")


def import_panel() -> None:
    """Read a recipe file: a run to start, or a plan to open."""
    with st.popover("Import a recipe", icon=":material/upload_file:"):
        file = st.file_uploader("A recipe.json written by LayerScope", key="recipe_file")
        if file is None:
            return
        try:
            spec = parse_recipe(file.getvalue(), file.name)
        except UserError as error:
            st.error(str(error), icon=":material/error:")
            return
        st.markdown(f"**{capitalised(describe(spec.plan))}**  \n{plain(f'{spec.model.path}, {spec.plan.method}')}")
        trusted = not spec.model.trust_remote_code or _trusts(spec)
        st.button(
            "Run it",
            on_click=_start,
            args=(spec,),
            icon=":material/play_arrow:",
            key="run_imported",
            disabled=not trusted,
        )
        if st.button("Open its plan", icon=":material/edit:", key="open_imported", disabled=not trusted):
            _open(spec)


def _trusts(spec: RunSpec) -> bool:
    """Whether the user lets someone else's recipe run the code that comes with its model."""
    st.warning("This recipe runs code that comes with its model.", icon=":material/warning:")
    return st.checkbox(f"I trust the author of {plain(spec.model.path)}", key=f"trust_{spec.model.path}")


def _one(run: Entry) -> None:
    """Buttons for a single run."""
    with st.popover("Name and tags", icon=":material/edit:"):
        _name_form(run)
    try:
        spec = session.store().spec(run.id)
    except UserError:  # damaged, as reported below
        return
    if not isinstance(spec, RunSpec):
        return
    if run.state in jobs.STOPPED:
        st.button("Resume", on_click=_start, args=(spec, run.id), type="primary", icon=":material/resume:")
    st.button("Run again", on_click=_start, args=(spec,), icon=":material/replay:", help="Same recipe, as a new run.")
    hint = "Loads its model, text, plan and benchmark settings for editing."
    if st.button("Edit and run again", icon=":material/tune:", help=hint):
        _open(spec, run.id)


def _name_form(run: Entry) -> None:
    with st.form(f"about_{run.id}", border=False):
        name = st.text_input("Name", run.about.name, placeholder=run.plan)
        tags = st.text_input("Tags", ", ".join(run.about.tags), help="Comma-separated.")
        notes = st.text_area("Notes", run.about.notes)
        if st.form_submit_button("Save", type="primary"):
            catalogue.say(session.store(), run.id, About(name, tuple(tags.split(",")), notes))
            st.rerun()


def _tag_several(runs: list[Entry]) -> None:
    """Tags of several runs at once."""
    with st.popover("Tags", icon=":material/sell:"), st.form("tag_several", border=False):
        add = st.text_input("Add tags", help="Comma-separated.")
        there = sorted({tag for run in runs for tag in run.about.tags})
        remove = st.multiselect("Remove tags", there)
        if st.form_submit_button("Save", type="primary"):
            for run in runs:
                tags = (*(tag for tag in run.about.tags if tag not in remove), *add.split(","))
                catalogue.say(session.store(), run.id, replace(run.about, tags=tags))
            st.rerun()


def _downloads(ticked: list[Entry]) -> None:
    """Files are made on request, not on every click."""
    done = [run for run in ticked if run.state == "done"]
    with st.popover("Download", icon=":material/download:"):
        if done and len(ticked) == 1:
            _file("Report (HTML, opens offline)", lambda: report.run_report(_whole(done[0])), f"{done[0].id}.html")
        if FEWEST <= len(done) == len(ticked) <= MOST:
            name, wholes = "layerscope-comparison", done
            _file("Report (HTML, opens offline)", lambda: report.comparison_report(_wholes(wholes)), f"{name}.html")
            _file("All figures side by side (CSV)", lambda: _side_csv(wholes), f"{name}.csv")
        _csv("Key figures (CSV)", ticked, "runs.csv")
        if len(ticked) == 1 and ticked[0].plan:  # its spec can be read
            run_id = ticked[0].id
            _file("Recipe (JSON)", lambda: dumps(session.store().spec(run_id)), f"{run_id}.json")


def _csv(label: str, runs: list[Entry], name: str) -> None:
    _file(label, lambda: table_csv(runs), name)


def _file(label: str, make, name: str) -> None:
    st.download_button(label, make, name, on_click="ignore", icon=":material/download:", key=f"file_{label}")


def _whole(run: Entry) -> report.Reported:
    return run, *catalogue.finished(session.store(), run.id)


def _wholes(runs: Sequence[Entry]) -> list[report.Reported]:
    return [_whole(run) for run in runs]


def _side_csv(runs: Sequence[Entry]) -> str:
    results = [result for _, _, result in _wholes(runs)]
    return comparison_csv(beside(list(zip(report.names_of(runs), results, strict=True))))


def _start(spec: RunSpec, run_id: str | None = None) -> None:
    """Queue a new run, or a stopped one again, and select it; in a callback."""
    try:
        choose([jobs.submit(session.store(), spec, run_id)])
    except UserError as error:  # such as a full disk
        st.toast(str(error), icon=":material/error:", duration="infinite")


def _open(spec: RunSpec, run_id: str | None = None) -> None:
    """Load the whole recipe into the other pages, for editing there."""
    session.start_from(spec)
    session.update(run_id=run_id)
    st.switch_page("pages/plan.py")
