"""Forms that turn widgets into the dataclasses of prune_core.types."""

from dataclasses import replace

import streamlit as st

from prune_core.types import Calibration, Evaluation, HeldOut, ModelRef, SpeedSettings

DEMO, FOLDER, HUB = "Demo model", "Local folder", "Hugging Face Hub"
DEMO_TEXT, OWN_TEXT = "Demo text", "File or dataset"
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = ("auto", "cuda", "mps", "cpu")


def model_form(now: ModelRef) -> ModelRef:
    """Choose a model: the demo, a folder of this machine, or an id of the hub."""
    kinds = (DEMO, FOLDER, HUB)
    kind = st.segmented_control("Model", kinds, default=_kind_of_model(now.path), key="model_kind") or DEMO
    path = "demo"
    if kind == FOLDER:
        hint = "A folder with config.json, *.safetensors and the tokenizer's files."
        path = st.text_input(
            "Folder", now.path if kind == _kind_of_model(now.path) else "", help=hint, key="model_folder"
        )
    elif kind == HUB:
        hint = "As on the model's page, for example Qwen/Qwen3-0.6B. It is downloaded once and kept."
        path = st.text_input(
            "Model id", now.path if kind == _kind_of_model(now.path) else "", help=hint, key="model_id"
        )
    else:
        st.caption("A small Llama of 16 layers, trained for LayerScope on an invented world. Works offline.")
    with st.expander("Device, precision, custom code"):
        left, right = st.columns(2)
        device = left.selectbox(
            "Device", DEVICES, DEVICES.index(now.device), help="auto: GPU if there is one, else CPU."
        )
        dtype = right.selectbox("Precision", DTYPES, DTYPES.index(now.dtype), help="auto: as stored, float32 on a CPU.")
        revision = st.text_input("Revision (Hub only)", now.revision or "", help="A branch, tag or commit.") or None
        trust = st.checkbox(
            "Run the model's own Python code", now.trust_remote_code, help="Only if you trust its author."
        )
    return ModelRef(path.strip(), revision if kind == HUB else None, dtype, device, trust)


def calibration_form(now: Calibration) -> Calibration:
    """Choose the text on which layers are compared."""
    source, subset, split, column = _text_source("Calibration text", now, "calibration")
    a, b, c = st.columns(3)
    samples = a.number_input(
        "Texts", 2, 4096, now.samples, help="How many documents are drawn. More gives smaller errors."
    )
    seq_len = b.number_input("Tokens each", 8, 8192, now.seq_len, help="Each document is cut to this many tokens.")
    seed = c.number_input("Seed", 0, 2**31 - 1, now.seed, help="The same seed draws the same documents.")
    return Calibration(source, subset, split, column, int(samples), int(seq_len), int(seed))


def evaluation_form(now: Evaluation) -> Evaluation:
    """Choose what is measured before and after the cut."""
    with st.expander("What is measured", icon=":material/tune:"):
        held = now.heldout
        source, subset, split, column = _text_source("Held-out text, for perplexity", held, "heldout")
        a, b, c = st.columns(3)
        context = a.number_input("Context (tokens)", 8, 131072, held.context, help="Window of the perplexity.")
        stride = b.number_input("Stride (tokens)", 1, 131072, held.stride, help="How far the window moves each time.")
        limit = c.number_input("At most (tokens)", 128, 10_000_000, held.max_tokens, help="Stop after so many tokens.")
        joined = st.checkbox("Score as one stream", held.joined, help="The custom for WikiText-2; else text by text.")
        heldout = HeldOut(source, subset, split, column, int(context), int(stride), int(limit), joined)

        tasks = st.text_input("Tasks (lm-eval names, comma between)", ", ".join(now.tasks), help="Empty for none.")
        folder = st.text_input("Folder of task files", now.task_folder or "", help="'demo' for the demo skills.")
        per_task = st.number_input("Items per task (0: all)", 0, 100_000, now.task_limit or 0)
        prompts = st.text_area("Prompts to continue, one a line", "\n".join(now.prompts))
        speed = _speed_form(now.speed)
    return replace(
        now,
        heldout=heldout,
        tasks=tuple(name.strip() for name in tasks.split(",") if name.strip()),
        task_folder=folder.strip() or None,
        task_limit=int(per_task) or None,
        prompts=tuple(line for line in prompts.splitlines() if line.strip()),
        speed=speed,
    )


def _speed_form(now: SpeedSettings) -> SpeedSettings:
    a, b, c, d = st.columns(4)
    batch = a.number_input("Speed: batch", 1, 512, now.batch)
    prompt_tokens = b.number_input("Prompt tokens", 1, 65536, now.prompt_tokens)
    new_tokens = c.number_input("New tokens", 2, 4096, now.new_tokens)
    repeats = d.number_input("Repeats", 3, 100, now.repeats)
    return replace(
        now, batch=int(batch), prompt_tokens=int(prompt_tokens), new_tokens=int(new_tokens), repeats=int(repeats)
    )


def _text_source(label: str, now: Calibration | HeldOut, key: str) -> tuple[str, str | None, str, str]:
    """(source, subset, split, column) of a text."""
    default = DEMO_TEXT if now.source == "demo" else OWN_TEXT
    kind = st.segmented_control(label, (DEMO_TEXT, OWN_TEXT), default=default, key=f"{key}_kind") or DEMO_TEXT
    if kind == DEMO_TEXT:
        return "demo", None, now.split, now.column
    hint = "A .txt, .jsonl, .json, .csv or .parquet file of this machine, or a dataset of the Hub."
    source = st.text_input(
        "File or dataset", "" if now.source == "demo" else now.source, help=hint, key=f"{key}_source"
    )
    a, b, c = st.columns(3)
    column = a.text_input("Text column", now.column, help="For files and datasets with columns.", key=f"{key}_column")
    subset = b.text_input("Subset", now.subset or "", help="Of a Hub dataset, if it has any.", key=f"{key}_subset")
    split = c.text_input("Split", now.split, help="Of a Hub dataset.", key=f"{key}_split")
    return source.strip(), subset.strip() or None, split.strip(), column.strip()


def _kind_of_model(path: str) -> str:
    if path == "demo":
        return DEMO
    return FOLDER if path.startswith(("/", "~", ".")) else HUB
