"""Forms that turn widgets into the dataclasses of prune_core.types.

Every widget is seeded from the workspace once (state.seed) and then left alone, so that typing never loses the focus.
"""

import re
from dataclasses import replace
from typing import Any

import streamlit as st

from pages._ui.shared.paper_links import linked
from pages._ui.state.session import put, seed
from prune_core.schema.inputs import Calibration, HeldOut, Joint, Layout, ModelRef
from prune_core.schema.presets import CALIBRATION_PRESETS, calibration_preset, with_calibration
from prune_core.schema.wording import capitalised, sequence_noun

DEMO, FOLDER, HUB = "Demo model", "Local folder", "Hugging Face Hub"
DEMO_TEXT, OWN_TEXT = "Demo text", "File or dataset"
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = ("auto", "cuda", "mps", "cpu")
LAYOUTS: dict[Layout, str] = {
    "auto": "As suits the text",
    "packed": "Packed: joined and cut into equal pieces",
    "documents": "One document a sequence",
    "spans": "Spans of long documents",
}
LAYOUT_HELP = (
    "As suits the text: the demo's texts and rows of .jsonl, .json, .csv and .parquet files one a sequence, .txt files "
    "and datasets packed, as most papers do. Spans: from anywhere in documents that are long enough, as SLM draws."
)
JOINTS: dict[Joint, str] = {
    "auto": "As suits the text",
    "eos": "The tokenizer's end mark",
    "blank line": "A blank line",
}
JOINT_HELP = (
    "As suits the text: a .txt file stays as it stands; the documents of a list get end marks; rows that are lines of "
    "one text, such as WikiText's, get blank lines."
)
CHAT_HELP = "For rows with messages, or with instruction and output as in Alpaca. The tokenizer must have a template."
PROMPTS_HINT = "Separate prompts with an empty line."


def prompts_text(prompts: tuple[str, ...]) -> str:
    """Prompts as the user types them; one may have several lines."""
    return "\n\n".join(prompts)


def prompts_from(text: str) -> tuple[str, ...]:
    """The prompts in `text`, separated by empty lines. The inverse of `prompts_text`."""
    return tuple(piece.strip("\n") for piece in re.split(r"\n[ \t]*\n", text) if piece.strip())


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
        hint = "As on the model's Hub page, for example Qwen/Qwen3-0.6B. Downloaded once and cached."
        path = st.text_input("Model id", key=seed("model_id", now.path if was == HUB else ""), help=hint)
    else:
        st.caption("A small Llama of 16 layers, trained for LayerScope on an invented world. Works offline.")
    with st.expander("Device, precision, custom code"):
        a, b = st.columns(2)
        device = a.selectbox("Device", DEVICES, key=seed("device", now.device), help="auto: the GPU if there is one.")
        hint = "auto: as stored; on a CPU, float32 unless it is stored in bfloat16 and the CPU computes in it."
        dtype = b.selectbox("Precision", DTYPES, key=seed("dtype", now.dtype), help=hint)
        hint = "A branch, tag or commit on the Hub."
        revision = st.text_input("Revision", key=seed("revision", now.revision or ""), help=hint).strip() or None
        hint = "The model comes with its own Python code. Enable this only if you trust its author."
        trust = st.checkbox("Run the model's own code", key=seed("trust", now.trust_remote_code), help=hint)
    return ModelRef(path.strip(), revision if kind == HUB else None, dtype, device, trust)


def calibration_form(now: Calibration) -> Calibration:
    """Choose the text on which layers are compared, and how it becomes sequences."""
    source, subset, split, column = text_source("Calibration text", now, "calibration")
    with st.popover("Fill in a paper's calibration"):
        st.caption("A text of your own stays; then only the shape is filled in.")
        for preset in CALIBRATION_PRESETS:
            key = f"paper_{preset.name}"
            st.button(preset.label, key=key, on_click=_fill_calibration, args=(now, preset.name), width="stretch")
            st.caption(f"{preset.what} {linked(f'arXiv {preset.source}')}")
    key = seed("calibration_layout", now.layout)
    layout = st.selectbox("Sequences", LAYOUTS, key=key, format_func=LAYOUTS.__getitem__, help=LAYOUT_HELP)
    placed = Calibration(source, subset, split, column, layout=layout)
    joined_by = now.joined_by if source == "demo" else "auto"
    chat = False
    if source != "demo":
        key = seed("calibration_chat", now.chat)
        chat = st.checkbox("Apply the model's chat template", key=key, help=CHAT_HELP)
        placed = replace(placed, chat=chat)
        if placed.laid_out == "packed" and not chat:
            key = seed("calibration_joined_by", now.joined_by)
            joined_by = st.selectbox(
                "Between documents", JOINTS, key=key, format_func=JOINTS.__getitem__, help=JOINT_HELP
            )
    a, b, c = st.columns(3)
    noun = capitalised(sequence_noun(placed)) + "s"
    samples = number(a, noun, "samples", now.samples, 2, 100_000, "Sequences drawn. More give smaller errors.")
    exactly = "At most: longer ones are cut." if placed.laid_out == "documents" else "Of exactly this many tokens."
    seq_len = number(b, "Tokens each", "seq_len", now.seq_len, 8, 8192, exactly)
    chosen_seed = number(c, "Seed", "seed", now.seed, 0, 2**31 - 1, "The same seed draws the same sequences.")
    chosen = replace(placed, samples=samples, seq_len=seq_len, seed=chosen_seed, joined_by=joined_by)
    preset = calibration_preset(chosen)
    if preset is not None:
        st.caption(f"{preset.label}. {preset.what}")
    return chosen


def _fill_calibration(now: Calibration, name: str) -> None:
    filled = with_calibration(now, name)
    for field in ("samples", "seq_len", "seed"):
        put(field, getattr(filled, field))
    if filled.source != now.source:
        put("calibration_kind", OWN_TEXT)
    for field in ("layout", "joined_by", "chat"):
        put(f"calibration_{field}", getattr(filled, field))
    for field in ("source", "column", "subset", "split"):
        put(f"calibration_{field}", getattr(filled, field) or "")


def text_source(label: str, now: Calibration | HeldOut, name: str) -> tuple[str, str | None, str, str]:
    """(source, subset, split, column) of a text."""
    key = seed(f"{name}_kind", DEMO_TEXT if now.source == "demo" else OWN_TEXT)
    if st.segmented_control(label, (DEMO_TEXT, OWN_TEXT), key=key, required=True) == DEMO_TEXT:
        return "demo", None, now.split, now.column
    hint = "A .txt, .jsonl, .json, .csv or .parquet file on this machine, or a dataset on the Hub."
    before = "" if now.source == "demo" else now.source
    source = st.text_input("File or dataset", key=seed(f"{name}_source", before), help=hint)
    a, b, c = st.columns(3)
    column = a.text_input("Text column", key=seed(f"{name}_column", now.column), help="In files that have columns.")
    subset = b.text_input("Subset", key=seed(f"{name}_subset", now.subset or ""), help="Of a Hub dataset, if any.")
    split = c.text_input("Split", key=seed(f"{name}_split", now.split), help="Of a Hub dataset.")
    return source.strip(), subset.strip() or None, split.strip(), column.strip()


def number(place: Any, label: str, name: str, now: int, least: int, most: int, hint: str) -> int:
    """A whole number from `least` to `most`, drawn in `place`."""
    return int(place.number_input(label, least, most, key=seed(name, now), step=1, help=hint))


def _kind_of_model(path: str) -> str:
    if path == "demo":
        return DEMO
    return FOLDER if path.startswith(("/", "~", ".")) else HUB
