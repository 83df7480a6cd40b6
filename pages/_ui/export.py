"""What the user takes home: the checkpoint folder, the recipe, and the command that repeats the run."""

import streamlit as st

from pages._ui import state
from prune_core.serial import dumps
from prune_core.specs import RunResult, RunSpec
from prune_core.store import copy_folder
from prune_core.types import UserError


def show_export(run_id: str, spec: RunSpec, result: RunResult) -> None:
    """Where the checkpoint is, a copy of it elsewhere, the recipe."""
    st.subheader("Take it with you")
    folder = state.store().folder(run_id) / result.checkpoint
    st.write("The pruned model is an ordinary folder: safetensors, tokenizer, model card and recipe.")
    st.code(f'AutoModelForCausalLM.from_pretrained("{folder}")', language="python")
    with st.form("copy_checkpoint", border=False):
        a, b = st.columns([4, 1], vertical_alignment="bottom")
        target = a.text_input("Copy it to a new folder", placeholder="~/models/my-pruned-model")
        if b.form_submit_button("Copy", width="stretch"):
            try:
                st.success(f"Copied to {copy_folder(folder, target)}.")
            except UserError as error:
                st.error(str(error))
    st.write("The recipe holds every setting. It repeats the run without the app:")
    st.code(f"python -m prune_core run {folder / 'recipe.json'}", language="bash")
    st.download_button("Download the recipe", dumps(spec), f"{run_id}.json", "application/json", on_click="ignore")
