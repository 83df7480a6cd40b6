"""What the model and redundancy pages offer beside the map: the extra measure, groups, measured sets of blocks."""

import json
from dataclasses import replace

import numpy as np

from pages._ui.state.session import EXTRAS, Workspace
from prune_core.methods.slm import SlidingLayerMerging
from prune_core.pipeline.specs import DropMapSpec, InspectSpec, MeasureSpec, PlanResult, PlanSpec, PreviewSpec
from prune_core.schema.drop_map import DropMap, block_cells
from prune_core.schema.inputs import Calibration, ModelInfo, ModelRef
from prune_core.schema.measures import MEASURES
from prune_core.schema.plan import Merge, Plan, drop_plan
from prune_core.schema.reports import Preview
from prune_core.schema.serial import dumps
from prune_core.search.block_sets import best_sets
from prune_core.store import jobs
from prune_core.store.files import write_text
from tests.fixtures.stored import mark
from tests.pages.finished import LAYERS, gesture, keep, maps, page, words
from tests.pages.synthetic import synthetic, with_norms

NOW = ModelRef(), Calibration()
RBF = MeasureSpec(*NOW, extras=EXTRAS)


def with_rbf():
    plain = maps()
    values = plain.values | dict.fromkeys(EXTRAS, plain.values["cka"])
    return replace(plain, values=values, stderrs=plain.stderrs | dict.fromkeys(EXTRAS, plain.stderrs["cka"]))


def session(store, **choices) -> None:
    write_text(store.home / "workspaces" / "abcd.json", dumps(Workspace(**choices)))


def measures_offered(app) -> list[str]:
    return app.segmented_control(key="measure").options


def drops() -> DropMap:
    """Each layer costs 0.01 more than the one below, blocks the sum of their layers."""
    starts, stops = block_cells(LAYERS)
    cost = np.array([sum(0.01 * (layer + 1) for layer in range(i, j)) for i, j in zip(starts, stops, strict=True)])
    cost[stops - starts == LAYERS] = np.nan
    tokens = np.array([100, 120])
    nll = tokens[:, None] * (1.5 + cost)
    return DropMap(LAYERS, np.arange(2), nll, tokens[:, None] * np.abs(cost), tokens * 1.5, tokens, 2)


# --- RBF CKA --------------------------------------------------------------------------------------------------------


def test_asking_for_rbf_cka_hides_nothing_until_it_is_there(store):
    session(store, extras=EXTRAS)
    assert "RBF CKA (unbiased)" not in measures_offered(page("redundancy"))
    keep(store, RBF, with_rbf())
    app = page("redundancy")
    assert "RBF CKA (unbiased)" in measures_offered(app)
    app.segmented_control(key="measure").set_value("cka_rbf").run()
    app.toggle(key="threshold_on").set_value(True).run()
    assert app.slider(key="threshold_cka_rbf").label == "RBF CKA (unbiased) at least"
    assert not app.exception


def test_what_was_measured_with_rbf_cka_serves_without_it_too(store):
    mark(store, jobs.job_id(MeasureSpec(*NOW)), MeasureSpec(*NOW), "interrupted")
    keep(store, RBF, with_rbf())
    assert "RBF CKA (unbiased)" in measures_offered(page("redundancy"))


def test_the_model_page_offers_the_measure(store, monkeypatch):
    info = ModelInfo(ModelRef(), "llama", LAYERS, 64, 256, 512, 10**6, 4 * 10**6, "float32", "float32", "cpu", 10**9)
    keep(store, InspectSpec(ModelRef()), info)
    monkeypatch.setattr(
        "prune_core.store.jobs.submit", lambda store, spec: jobs.job_id(spec)
    )  # the model is inspected again
    app = page("model")
    box = next(box for box in app.checkbox if box.label == "Also measure RBF CKA (takes longer)")
    box.check().run()
    assert "Measured: 16 layers" in app.success[0].value
    assert any(button.label == "Measure RBF CKA too" for button in app.button)
    keep(store, RBF, with_rbf())
    app.run()
    assert not any(button.label == "Measure RBF CKA too" for button in app.button)


def test_a_text_of_fewer_documents_than_asked_for_is_a_warning(store, monkeypatch):
    info = ModelInfo(ModelRef(), "llama", LAYERS, 64, 256, 512, 10**6, 4 * 10**6, "float32", "float32", "cpu", 10**9)
    keep(store, InspectSpec(ModelRef()), info)
    keep(store, MeasureSpec(*NOW), replace(maps(), sequences=1))
    monkeypatch.setattr("prune_core.store.jobs.submit", lambda store, spec: jobs.job_id(spec))
    app = page("model")
    assert not app.success
    warning = app.warning[0].value
    assert warning.startswith("This text gives only 1 text of the 64 asked for, 8,000 tokens of 8,192")
    assert "**The cost of a cut needs at least 2 of them.** Measured: 16 layers" in warning


def test_the_numbers_follow_a_choice_of_one_block(store):
    def numbers(app):
        return [field.value for field in app.number_input if field.label in ("From layer", "to layer")]

    session(store, chosen={"demo": drop_plan(LAYERS, [9, 10, 11, 12])})
    app = page("redundancy")
    assert numbers(app) == [9, 12]
    gesture(app, 2, 3)
    assert numbers(app) == [2, 2]
    assert [button.label for button in app.button if str(button.key).startswith("to_")] == [
        "Build it and compare",
        "Change the plan",
    ]


def test_a_workspace_from_before_the_measure_is_readable(store):
    old = json.loads(dumps(Workspace(chosen={"demo": drop_plan(LAYERS, [10])})))
    del old["extras"]
    write_text(store.home / "workspaces" / "abcd.json", json.dumps(old))
    assert "Drop layer 10 (1 of 16)" in words(page("redundancy"))


# --- tokens and norms ------------------------------------------------------------------------------------------------


def with_choices():
    """Maps over each choice of tokens, all different, and norms."""
    plain = synthetic(LAYERS + 1)
    values = {m.name: plain.values[m.name] * (1 - 0.01 * place) for place, m in enumerate(MEASURES)}
    return with_norms(replace(plain, values=values))


def test_measures_are_few_and_the_tokens_a_second_choice(store):
    keep(store, MeasureSpec(*NOW), with_choices())
    app = page("redundancy")
    assert len(measures_offered(app)) == 4
    app.segmented_control(key="measure").set_value("cka").run()
    tokens = app.segmented_control(key="tokens_cka")
    assert tokens.options == ["without massive ones", "all", "all, states scaled to norm 1"]
    assert tokens.value == "without"
    assert "Measured on 8,128 tokens of 64 texts, without 64 massive ones." in words(app)
    tokens.set_value("unit").run()
    assert "8,192 tokens of 64 texts, states scaled to norm 1" in words(app)
    app.segmented_control(key="measure").set_value("angular_last").run()
    assert not [c for c in app.segmented_control if str(c.key).startswith("tokens_")]
    app.segmented_control(key="measure").set_value("cosine").run()
    assert app.segmented_control(key="tokens_cosine").value == "all"
    app.segmented_control(key="measure").set_value("cka").run()
    assert app.segmented_control(key="tokens_cka").value == "unit"  # kept, as all widgets' choices are
    app.toggle(key="full_range").set_value(True).run()
    assert not app.exception


def test_massive_tokens_are_told_with_place_states_and_text(store):
    keep(store, MeasureSpec(*NOW), with_choices())
    app = page("redundancy")
    said = words(app)
    assert "64 of 8,192 tokens are massive: in states 3 to 15. 60 at position 0, 4 at position 1" in said
    assert "above 20 times the median norm" in said and "https://arxiv.org/abs/2402.17762" in said
    table = next(frame.value for frame in app.dataframe if "Token id" in frame.value)
    assert list(table["Token"]) == ["<s>", ".\\n"] and list(table["Times"]) == [60, 4]


def test_results_that_know_nothing_of_norms_are_shown_without(store):
    app = page("redundancy")  # maps of four measures, as older versions kept them
    assert "massive" not in words(app)
    assert len(measures_offered(app)) == 4
    assert not [c for c in app.segmented_control if str(c.key).startswith("tokens_")]


# --- groups ---------------------------------------------------------------------------------------------------------


def on_cka(store):
    app = page("redundancy")
    app.segmented_control(key="measure").set_value("cka").run()
    app.toggle(key="groups_on").set_value(True).run()
    assert not app.exception
    return app


def test_groups_are_offered_where_they_were_not_searched_for(store):
    app = on_cka(store)
    assert any(button.label == "Find the groups with SLM" for button in app.button)
    assert "https://arxiv.org/abs/2502.19159" in words(app)
    app.segmented_control(key="measure").set_value("cosine").run()
    assert not any(button.label == "Find the groups with SLM" for button in app.button)


def test_groups_of_a_kept_search_are_named_with_its_settings(store):
    plan = Plan(LAYERS, (Merge(11, (12, 13)), Merge(3, (4,))), "slm")
    keep(store, PlanSpec(*NOW, SlidingLayerMerging().at_budget(), 4), PlanResult(plan, (), 9, 2, 1.0))
    said = words(on_cka(store))
    assert "4 layers to remove, rule rdsc, on 10 texts" in said
    assert "Its groups: layers 3 to 4; layers 11 to 13." in said


# --- sets of blocks -------------------------------------------------------------------------------------------------


def test_sets_are_shown_as_added_up_then_as_measured_the_best_measured_first(store):
    keep(store, DropMapSpec(*NOW), drops())
    app = page("redundancy")
    app.number_input(key="sets_budget").set_value(2).run()
    table = app.dataframe[1].value
    assert table["Layers"][0] == "0 to 1" and np.isclose(table["Added up"][0], 0.03)
    assert table["Measured"].isna().all()
    assert any(button.label == "Measure these sets" for button in app.button)
    found = best_sets(drops().delta, 2, 5)
    for place, each in enumerate(found):
        plan = drop_plan(LAYERS, each.layers, "drop map")
        keep(store, PreviewSpec(*NOW, plan), Preview(plan, 1.5, 1.9 - 0.1 * place, 0.02, 8000, 0.4))
    app.run()
    table = app.dataframe[1].value
    assert np.allclose(table["Measured"], [0.0, 0.1, 0.2, 0.3, 0.4])
    assert not any(button.label == "Measure these sets" for button in app.button)
    best = next(button for button in app.button if button.label.endswith("(the best)"))
    best.click().run()
    assert app.metric[0].value == "1.500"


def test_while_the_map_grows_its_sets_are_not_measured(store, monkeypatch):
    spec = DropMapSpec(*NOW)
    mark(store, jobs.job_id(spec), spec, "cancelled")
    store.save_partial(jobs.job_id(spec), drops())
    labels = [button.label for button in page("redundancy").button]
    assert "Resume measuring" in labels and "Measure these sets" in labels
    monkeypatch.setattr("prune_core.store.spawning.ensure_worker", lambda home: 0)
    jobs.submit(store, spec)
    labels = [button.label for button in page("redundancy").button]
    assert "Cancel" in labels and "Measure these sets" not in labels
