"""What the user takes away: the checkpoint folder, copied or pushed to the Hub, the recipe, and how to rerun it."""

from pathlib import Path

import streamlit as st
from huggingface_hub import get_token

from pages._ui.shared.job_panel import job_panel
from pages._ui.state import session
from prune_core.pipeline.specs import PushResult, PushSpec
from prune_core.schema.errors import UserError
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.store import jobs
from prune_core.store.files import copy_folder


def show_export(run_id: str, spec: RunSpec, result: RunResult) -> None:
    """Where the checkpoint is, how to copy it elsewhere, other tools' formats, the recipe."""
    st.subheader("Export the pruned model")
    folder = session.store().folder(run_id) / result.checkpoint
    st.write("The pruned model is an ordinary checkpoint folder: safetensors, tokenizer, model card and recipe.")
    st.code(f'AutoModelForCausalLM.from_pretrained("{folder}")', language="python")
    _copy(folder)
    with st.expander("Push it to the Hugging Face Hub", icon=":material/cloud_upload:"):
        _push(run_id)
    with st.expander("Use it with llama.cpp or mergekit", icon=":material/swap_horiz:"):
        _other_tools(run_id, folder)
    st.write("The recipe holds every setting. To repeat the run without the app:")
    st.code(f"layerscope run {folder / 'recipe.json'}", language="bash")
    st.download_button("Download the recipe", dumps(spec), f"{run_id}.json", "application/json", on_click="ignore")


def _copy(folder: Path) -> None:
    with st.form("copy_checkpoint", border=False):
        a, b = st.columns([4, 1], vertical_alignment="bottom")
        target = a.text_input("Copy it to a new folder", placeholder="~/models/my-pruned-model")
        if b.form_submit_button("Copy", width="stretch"):
            try:
                st.success(f"Copied to {copy_folder(folder, target)}.")
            except UserError as error:
                st.error(str(error))


def _push(run_id: str) -> None:
    """A new repository in the user's account; the push is a job, so it shows progress and can be cancelled."""
    if get_token() is None:
        st.info("Log in first: run `hf auth login` in a terminal, then reload this page.", icon=":material/login:")
        return
    a, b = st.columns([4, 1], vertical_alignment="bottom")
    repository = a.text_input(
        "New repository", placeholder="your-name/my-pruned-model", key=session.seed("push_to", "")
    )
    private = b.toggle("Private", key=session.seed("push_private", True))
    spec, store = PushSpec(run_id, repository.strip(), private), session.store()
    job_id = jobs.job_id(spec)
    job = jobs.status(store, job_id)
    if job is None or job.state not in ("queued", "running", "done"):
        st.button("Push", on_click=_start, args=(spec,), disabled=not spec.repository)
    job_panel(job_id, "Pushing to the Hub")
    pushed = store.result(job_id) if job is not None and job.state == "done" else None
    if isinstance(pushed, PushResult):
        st.success(f"Pushed to {pushed.address}.", icon=":material/check_circle:")


def _start(spec: PushSpec) -> None:
    jobs.submit(session.store(), spec)


def _other_tools(run_id: str, folder: Path) -> None:
    st.write("**llama.cpp** reads GGUF files. With a clone of it, for model families and tokenizers it supports:")
    command = f"python llama.cpp/convert_hf_to_gguf.py {folder} --outfile {run_id}.gguf --outtype auto"
    st.code(command, language="bash")
    recipe = folder / "mergekit.yaml"
    if not recipe.exists():
        st.write("**mergekit** can only drop whole layers, so it cannot make this cut.")
        return
    text = recipe.read_text(encoding="utf-8")
    st.write("**mergekit** makes the same cut from this recipe:")
    for line in text.splitlines():
        if line.startswith("# "):
            st.warning(line.removeprefix("# ").removeprefix("WARNING: "), icon=":material/warning:")
    st.code(text, language="yaml")
    st.download_button("Download mergekit.yaml", text, f"{run_id}-mergekit.yaml", "application/yaml", on_click="ignore")
