"""The form for what is measured before and after the cut."""

from dataclasses import replace

import streamlit as st

from pages._ui.shared.forms import PROMPTS_HINT, number, prompts_from, prompts_text, text_source
from pages._ui.state.session import put, seed
from prune_core.schema.evaluation import Evaluation, SpeedSettings
from prune_core.schema.inputs import HeldOut
from prune_core.schema.presets import TASK_PRESETS, WINDOW_PRESETS, TaskPreset, WindowPreset, task_preset, window_preset


def evaluation_form(now: Evaluation) -> Evaluation:
    """Choose what is measured before and after the cut."""
    a, b = st.columns(2, gap="large")
    with a:
        heldout = _heldout_form(now.heldout)
    with b:
        chosen = _tasks_form(now)
    hint = f"{PROMPTS_HINT} Both models continue each one with the same seed."
    key = seed("prompts", prompts_text(now.prompts))
    prompts = st.text_area("Prompts to continue", key=key, height=160, help=hint)
    return replace(
        chosen,
        heldout=heldout,
        prompts=prompts_from(prompts),
        speed=_speed_form(now.speed),
    )


# --- tasks ----------------------------------------------------------------------------------------------------------


def _tasks_form(now: Evaluation) -> Evaluation:
    with st.popover("Load a task preset"):
        for preset in TASK_PRESETS:
            st.button(preset.label, key=f"tasks_{preset.name}", on_click=_fill_tasks, args=(preset,), width="stretch")
            st.caption(preset.what)
    hint = "lm-eval task names, or .jsonl files with query, choices and gold per line. Comma-separated; can be empty."
    tasks = st.text_input("Tasks", key=seed("tasks", ", ".join(now.tasks)), help=hint)
    hint = "A folder of task files; 'demo' for the demo model's skills. lm-eval's own tasks are always available."
    folder = st.text_input("Task folder", key=seed("task_folder", now.task_folder or ""), help=hint)
    a, b = st.columns(2)
    limit = number(a, "Items per task", "limit", now.task_limit or 0, 0, 100_000, "0 means all.")
    hint = "Solved examples before each item. Leave empty to use each task's default."
    shots = b.number_input(
        "Few-shot examples", 0, 64, None, key=seed("fewshot", now.fewshot), placeholder="task default", help=hint
    )
    chosen = replace(
        now,
        tasks=tuple(name.strip() for name in tasks.split(",") if name.strip()),
        task_folder=folder.strip() or None,
        task_limit=limit or None,
        fewshot=shots,
    )
    preset = task_preset(chosen)
    if preset is not None:
        st.caption(f"{preset.label}. {preset.what}")
    return chosen


def _fill_tasks(preset: TaskPreset) -> None:
    put("tasks", ", ".join(preset.tasks))
    put("task_folder", preset.task_folder or "")
    put("fewshot", preset.fewshot)


# --- held-out text --------------------------------------------------------------------------------------------------


def _heldout_form(now: HeldOut) -> HeldOut:
    source, subset, split, column = text_source("Held-out text, for perplexity", now, "heldout")
    with st.popover("Load a perplexity preset"):
        for preset in WINDOW_PRESETS:
            key = f"windows_{preset.name}"
            st.button(preset.label, key=key, on_click=_fill_windows, args=(preset,), width="stretch")
            st.caption(preset.what)
    a, b, c = st.columns(3)
    context = number(a, "Context", "context", now.context, 8, 131072, "Tokens the model sees at once.")
    hint = "How far the window moves each step, in tokens; windows overlap if this is less than the context."
    stride = number(b, "Stride", "stride", now.stride, 1, 131072, hint)
    limit = number(c, "Max tokens", "max_tokens", now.max_tokens, 128, 10_000_000, "Scoring stops there.")
    hint = "Standard for WikiText-2. Otherwise each document is scored on its own."
    joined = st.checkbox("Score as one stream", key=seed("joined", now.joined), help=hint)
    chosen = HeldOut(source, subset, split, column, context, stride, limit, joined)
    preset = window_preset(chosen)
    if preset is not None:
        st.caption(f"{preset.label}. {preset.what}")
    return chosen


def _fill_windows(preset: WindowPreset) -> None:
    for name in ("context", "stride", "max_tokens", "joined"):
        put(name, getattr(preset, name))


# --- speed ----------------------------------------------------------------------------------------------------------


def _speed_form(now: SpeedSettings) -> SpeedSettings:
    a, b, c, d, e = st.columns(5)
    return replace(
        now,
        batch=number(a, "Speed: batch", "speed_batch", now.batch, 1, 512, "Sequences per batch."),
        prompt_tokens=number(b, "Prompt tokens", "speed_prompt", now.prompt_tokens, 1, 65536, "Length of each prompt."),
        new_tokens=number(c, "New tokens", "speed_new", now.new_tokens, 2, 4096, "Generated one at a time."),
        warmup=number(d, "Warm-up", "speed_warmup", now.warmup, 0, 100, "Untimed rounds before measuring."),
        repeats=number(e, "Repeats", "speed_repeats", now.repeats, 3, 100, "Timed rounds per model, alternating."),
    )
