"""Forms that turn widgets into the dataclasses of prune_core.types.

Every widget is seeded from the workspace once (state.seed) and then left alone, so that typing never loses the focus.
"""

from dataclasses import replace
from typing import Any

import streamlit as st

from pages._ui.state import seed
from prune_core.specs import Evaluation, SpeedSettings
from prune_core.types import Calibration, HeldOut, ModelRef

DEMO, FOLDER, HUB = "Demo model", "Local folder", "Hugging Face Hub"
DEMO_TEXT, OWN_TEXT = "Demo text", "File or dataset"
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = ("auto", "cuda", "mps", "cpu")


def model_form(now: ModelRef) -> ModelRef:
    """Choose a model: the demo, a folder of this machine, or an id of the hub."""
    was = _kind_of_model(now.path)
    key = seed("model_kind", was)
    kind = st.segmented_control("Model", (DEMO, FOLDER, HUB), key=key, required=True)
    path = "demo"
    if kind == FOLDER:
        hint = "A folder with config.json, *.safetensors and the tokenizer's files."
        path = st.text_input("Folder", key=seed("model_folder", now.path if was == FOLDER else ""), help=hint)
    elif kind == HUB:
        hint = "As on the model's page, for example Qwen/Qwen3-0.6B. It is downloaded once and kept."
        path = st.text_input("Model id", key=seed("model_id", now.path if was == HUB else ""), help=hint)
    else:
        st.caption("A small Llama of 16 layers, trained for LayerScope on an invented world. Works offline.")
    with st.expander("Device, precision, custom code"):
        a, b = st.columns(2)
        device = a.selectbox("Device", DEVICES, key=seed("device", now.device), help="auto: the GPU if there is one.")
        hint = "auto: as stored; float32 on a CPU."
        dtype = b.selectbox("Precision", DTYPES, key=seed("dtype", now.dtype), help=hint)
        hint = "A branch, tag or commit of the Hub."
        revision = st.text_input("Revision", key=seed("revision", now.revision or ""), help=hint).strip() or None
        hint = "The model brings its own Python code. Tick this only if you trust its author."
        trust = st.checkbox("Run the model's own code", key=seed("trust", now.trust_remote_code), help=hint)
    return ModelRef(path.strip(), revision if kind == HUB else None, dtype, device, trust)


def calibration_form(now: Calibration) -> Calibration:
    """Choose the text on which layers are compared."""
    source, subset, split, column = _text_source("Calibration text", now, "calibration")
    a, b, c = st.columns(3)
    samples = _number(a, "Texts", "samples", now.samples, 2, 4096, "Documents drawn. More give smaller errors.")
    seq_len = _number(b, "Tokens each", "seq_len", now.seq_len, 8, 8192, "Each document is cut to this many tokens.")
    chosen_seed = _number(c, "Seed", "seed", now.seed, 0, 2**31 - 1, "The same seed draws the same documents.")
    return Calibration(source, subset, split, column, samples, seq_len, chosen_seed)


def evaluation_form(now: Evaluation) -> Evaluation:
    """Choose what is measured before and after the cut."""
    a, b = st.columns(2, gap="large")
    with a:
        heldout = _heldout_form(now.heldout)
    with b:
        hint = "Names of lm-eval tasks, comma between; empty for none."
        tasks = st.text_input("Tasks", key=seed("tasks", ", ".join(now.tasks)), help=hint)
        c, d = st.columns(2)
        hint = "A folder of task YAML files; 'demo' for the skills of the demo model."
        folder = c.text_input("Folder of tasks", key=seed("task_folder", now.task_folder or ""), help=hint)
        limit = _number(d, "Items per task", "limit", now.task_limit or 0, 0, 100_000, "0 takes all of them.")
        hint = "One a line. Both models continue each, word by likeliest word."
        prompts = st.text_area("Prompts to continue", key=seed("prompts", "\n".join(now.prompts)), help=hint)
    speed = _speed_form(now.speed)
    return replace(
        now,
        heldout=heldout,
        tasks=tuple(name.strip() for name in tasks.split(",") if name.strip()),
        task_folder=folder.strip() or None,
        task_limit=limit or None,
        prompts=tuple(line for line in prompts.splitlines() if line.strip()),
        speed=speed,
    )


def _heldout_form(now: HeldOut) -> HeldOut:
    source, subset, split, column = _text_source("Held-out text, for perplexity", now, "heldout")
    a, b, c = st.columns(3)
    context = _number(a, "Context", "context", now.context, 8, 131072, "Tokens the model sees at once.")
    stride = _number(b, "Stride", "stride", now.stride, 1, 131072, "Tokens the window moves each time.")
    limit = _number(c, "Tokens at most", "max_tokens", now.max_tokens, 128, 10_000_000, "Scoring stops there.")
    hint = "The custom for WikiText-2. Otherwise every document is scored by itself."
    joined = st.checkbox("Score as one stream", key=seed("joined", now.joined), help=hint)
    return HeldOut(source, subset, split, column, context, stride, limit, joined)


def _speed_form(now: SpeedSettings) -> SpeedSettings:
    a, b, c, d = st.columns(4)
    return replace(
        now,
        batch=_number(a, "Speed: batch", "speed_batch", now.batch, 1, 512, "Sequences at once."),
        prompt_tokens=_number(b, "Prompt tokens", "speed_prompt", now.prompt_tokens, 1, 65536, "Read before writing."),
        new_tokens=_number(c, "New tokens", "speed_new", now.new_tokens, 2, 4096, "Written one by one."),
        repeats=_number(d, "Repeats", "speed_repeats", now.repeats, 3, 100, "Timed rounds of each model, in turn."),
    )


def _text_source(label: str, now: Calibration | HeldOut, name: str) -> tuple[str, str | None, str, str]:
    """(source, subset, split, column) of a text."""
    key = seed(f"{name}_kind", DEMO_TEXT if now.source == "demo" else OWN_TEXT)
    if st.segmented_control(label, (DEMO_TEXT, OWN_TEXT), key=key, required=True) == DEMO_TEXT:
        return "demo", None, now.split, now.column
    hint = "A .txt, .jsonl, .json, .csv or .parquet file of this machine, or a dataset of the Hub."
    before = "" if now.source == "demo" else now.source
    source = st.text_input("File or dataset", key=seed(f"{name}_source", before), help=hint)
    a, b, c = st.columns(3)
    column = a.text_input("Text column", key=seed(f"{name}_column", now.column), help="In files that have columns.")
    subset = b.text_input("Subset", key=seed(f"{name}_subset", now.subset or ""), help="Of a Hub dataset, if any.")
    split = c.text_input("Split", key=seed(f"{name}_split", now.split), help="Of a Hub dataset.")
    return source.strip(), subset.strip() or None, split.strip(), column.strip()


def _number(place: Any, label: str, name: str, now: int, least: int, most: int, hint: str) -> int:
    return int(place.number_input(label, least, most, key=seed(name, now), step=1, help=hint))


def _kind_of_model(path: str) -> str:
    if path == "demo":
        return DEMO
    return FOLDER if path.startswith(("/", "~", ".")) else HUB
