"""Deleted runs: undo at once, restore at any time, and delete for good only in a separate step."""

import streamlit as st

from pages._ui.runs.table import choose
from pages._ui.shared.plain import plain
from pages._ui.state import session
from prune_core.schema.errors import UserError
from prune_core.store import trash

JUST_DELETED = "runs_just_deleted"
SHOWN = 10


def delete(ids: tuple[str, ...]) -> None:
    """Move runs to the trash, in a callback. A running one stays, with a message that says why."""
    gone = []
    for run_id in ids:
        try:
            trash.delete(session.store(), run_id)
        except UserError as error:
            st.toast(str(error), icon=":material/block:")
        else:
            gone.append(run_id)
    session.put(JUST_DELETED, tuple(gone))
    choose([])


def undo_bar() -> None:
    """What was deleted last, with Undo, until something else is deleted."""
    gone = session.get(JUST_DELETED, ())
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        many = "1 run" if len(gone) == 1 else f"{len(gone)} runs"
        st.markdown(f"Moved {many} to the trash.")
        st.button("Undo", on_click=restore, args=(gone,), icon=":material/undo:", key="undo_delete")
        st.button("Dismiss", on_click=session.put, args=(JUST_DELETED, ()), type="tertiary")


def restore(ids: tuple[str, ...]) -> None:
    """Bring runs back and select them, in a callback."""
    for run_id in ids:
        try:
            trash.restore(session.store(), run_id)
        except UserError as error:
            st.toast(str(error), icon=":material/block:")
    session.put(JUST_DELETED, ())
    choose(ids)


def trash_panel() -> None:
    """What is in the trash: restore one or all; empty it, after confirming in a checkbox."""
    gone = trash.deleted(session.store())
    with st.popover(f"Trash ({len(gone)})", icon=":material/delete:", disabled=not gone):
        for run in gone[:SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Restore", key=f"restore_{run.id}", on_click=restore, args=((run.id,),))
                st.markdown(f"{plain(run.title)}  \n:small[{plain(f'{run.model} {run.made}')}]")
        if len(gone) > SHOWN:
            st.caption(f"And {len(gone) - SHOWN} older.")
        if len(gone) > 1:
            st.button(f"Restore all {len(gone)}", on_click=restore, args=(tuple(run.id for run in gone),))
        st.divider()
        what = "this run and its checkpoint" if len(gone) == 1 else f"all {len(gone)} runs and their checkpoints"
        sure = st.checkbox(f"Permanently delete {what}", key="sure_to_empty")
        st.button("Empty the trash", on_click=_empty, disabled=not sure, icon=":material/delete_forever:")


def _empty() -> None:
    count = trash.empty(session.store())
    session.put(JUST_DELETED, ())
    session.put("sure_to_empty", False)
    st.toast(f"Permanently deleted {count} run{'' if count == 1 else 's'}.")
