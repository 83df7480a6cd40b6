"""Your own prompts: donor and pruned model generate side by side, and where the pruned one diverges."""

import streamlit as st

from pages._ui.figures.departure import departure
from pages._ui.shared.forms import PROMPTS_HINT, prompts_from, prompts_text
from pages._ui.shared.job_panel import job_panel, so_far
from pages._ui.shared.plain import plain
from pages._ui.shared.text_cards import text_cards
from pages._ui.state import session
from prune_core.pipeline.specs import TextSpec
from prune_core.schema.continuations import TextPair, Texts, departure_words, mean_kl, same_top_share
from prune_core.schema.evaluation import DEMO_PROMPTS
from prune_core.schema.plan import Plan
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import capitalised, describe, seconds_in_words
from prune_core.store import catalogue, jobs

BY_HOOKS = "the choice"
RUNS_LISTED = 20
POLL_S = 0.25


def text_view(plan: Plan) -> None:
    """The form, then the latest texts as far as they are generated."""
    st.write(
        "Both models continue your prompt with the same random draws, so every difference comes from the cut. "
        "Then both score the donor's text token by token, which shows where the pruned model would have diverged."
    )
    store, job_id = session.store(), session.workspace().text_id
    asked = store.spec(job_id) if job_id else None
    asked = asked if isinstance(asked, TextSpec) else None
    against = _against(plan)
    if not against:
        st.info("Nothing to compare with yet: choose layers, or build a run.", icon=":material/info:")
        st.page_link("pages/redundancy.py", label="Choose layers on the heat map", icon=":material/arrow_back:")
    else:
        _form(plan, against, asked)
    if job_id and asked:
        job_panel(job_id, "Generating", lambda: _show(job_id, asked), poll_s=POLL_S)
        job = jobs.status(store, job_id)
        if job is not None and job.state in jobs.FINISHED:
            _show(job_id, asked)


def _against(plan: Plan) -> dict[str, str]:
    """What can be compared with the donor, in words, the best first: this plan as built, since a checkpoint generates
    faster; the plan via hooks; other built runs of this model."""
    model, words = session.workspace().model.path, describe(plan)
    runs = [run for run in catalogue.entries(session.store()) if run.state == "done" and run.model == model]
    built = {run.id: f"{capitalised(run.title)}: built {run.made}" for run in runs[:RUNS_LISTED]}
    same = {run.id: built[run.id] for run in runs[:RUNS_LISTED] if run.plan == words}
    hooks = {BY_HOOKS: f"{capitalised(words)}: via hooks, nothing is built"} if plan.edits else {}
    return same | hooks | built


def _form(plan: Plan, against: dict[str, str], asked: TextSpec | None) -> None:
    spec = asked or TextSpec(session.workspace().model, session.workspace().calibration, plan, DEMO_PROMPTS[-1:])
    with st.form("own_prompt"):
        key = session.seed("own_prompts", prompts_text(spec.prompts))
        text = st.text_area("Prompts", key=key, height=120, help=PROMPTS_HINT)
        hint = "A built checkpoint generates faster: it has a KV cache."
        name = st.selectbox("Pruned model", list(against), format_func=lambda n: against[n], help=hint)
        a, b, c, d = st.columns(4, vertical_alignment="bottom")
        new = int(a.number_input("New tokens", 1, 2048, key=session.seed("own_tokens", spec.new_tokens)))
        hint = "0 always takes the most likely token; 1 samples from the model's own distribution."
        key = session.seed("own_temperature", spec.temperature)
        heat = float(b.number_input("Temperature", 0.0, 5.0, key=key, step=0.1, help=hint))
        hint = "The same seed gives the same text."
        seed = int(c.number_input("Seed", 0, 2**31 - 1, key=session.seed("own_seed", spec.seed), help=hint))
        asked_for = d.form_submit_button("Generate", type="primary", icon=":material/edit:", width="stretch")
    if asked_for and name:
        _ask(plan, name, prompts_from(text) or ("",), new, heat, seed)


def _ask(plan: Plan, name: str, prompts: tuple[str, ...], new: int, heat: float, seed: int) -> None:
    now, store = session.workspace(), session.store()
    run = store.spec(name) if name != BY_HOOKS else None
    run_id, plan = (name, run.plan) if isinstance(run, RunSpec) else (None, plan)
    spec = TextSpec(now.model, now.calibration, plan, prompts, run_id, new, heat, seed)
    session.update(text_id=jobs.submit(store, spec))
    st.rerun()


# --- what was written -------------------------------------------------------------------------------------------------


def _show(job_id: str, spec: TextSpec) -> None:
    """The texts so far, or all of them with where they diverge."""
    found = so_far(job_id)
    if not isinstance(found, Texts):
        return
    how = "from its built checkpoint" if found.cached else "via hooks on the loaded model"
    heat = f"temperature {spec.temperature:g}, seed {spec.seed}" if spec.temperature else "always the most likely token"
    took = f" Took {seconds_in_words(found.seconds)}." if all(pair.finished for pair in found.pairs) else ""
    st.caption(f"{capitalised(describe(spec.plan))}, {how}; {heat}.{took}")
    for place, pair in enumerate(found.pairs):
        _pair(pair, place)


def _pair(pair: TextPair, place: int) -> None:
    shared = pair.shared if pair.finished else max(len(pair.donor), len(pair.pruned))
    text_cards(pair.prompt, pair.donor, pair.pruned, shared)
    if not pair.finished:
        return
    st.markdown(f"**The pruned model {plain(departure_words(pair))}.**")
    if pair.tokens:
        st.caption(
            f"Along the donor's text ({len(pair.tokens)} tokens), both models agree on the most likely token "
            f"{same_top_share(pair):.0%} of the time; mean KL from the donor {mean_kl(pair):.3f} nats per token."
        )
        picture = departure(pair, session.palette())
        st.plotly_chart(picture, theme=None, width="stretch", key=f"departure_{place}")
