"""Methods, replacements and the drop map in a real browser, on the demo model with a very small text."""

import re

from playwright.sync_api import Locator, Page, expect

from prune_core.methods import METHODS, Measured
from prune_core.pipeline.specs import MeasureSpec, PlanSpec, PreviewSpec, ReplaceResult
from prune_core.schema.inputs import ModelRef
from prune_core.schema.measures import LayerStats
from prune_core.schema.reports import Preview
from prune_core.store import jobs
from tests.e2e.driver import LONG_MS, says, settle
from tests.e2e.visiting import LAYERS, LITTLE, STATES, App, new_ids


def press(page: Page, label: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=label).click(timeout=LONG_MS)
    settle(page)


def pick(page: Page, box: str, option: str) -> None:
    """Choose `option` in the select box called `box`."""
    page.get_by_role("combobox", name=re.compile(box)).first.click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def fill(page: Page, label: str, value: int) -> None:
    field = page.get_by_role("spinbutton", name=label)
    field.fill(str(value))
    field.press("Enter")
    settle(page)


def plot(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} .js-plotly-plot").last  # a redraw may leave the old one for a moment


def test_laco_searches_and_its_steps_can_be_walked_through(app: App) -> None:
    with app.visit("plan", height=1600) as tab, new_ids(app.home, "plan") as searches:
        pick(tab, "Method", "LaCo")
        tab.get_by_text("Settings", exact=True).click()
        fill(tab, "Texts", 2)
        slider = tab.get_by_role("slider", name="Layers to remove")
        slider.press("Home")
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        settle(tab)
        press(tab, "Search with LaCo")
        says(tab, re.compile("plans? measured, "))
        says(tab, re.compile(r"LaCo: merge .*\(2 of 16\)"))
        tab.get_by_text(re.compile("All candidates it evaluated")).click()
        tab.get_by_role("slider", name="Step").press("Home")
        settle(tab)
        says(tab, re.compile("Step 1: "))
        expect(plot(tab, "steps")).to_be_visible()
        press(tab, "Use this plan")
        says(tab, re.compile(r"^Merge .*\(2 of 16\)$"))
        press(tab, "Undo")
        says(tab, "Drop layers 9 to 12 (4 of 16)")
    (spec,) = [app.home.spec(job_id) for job_id in searches]
    assert isinstance(spec, PlanSpec) and spec.budget == 2


def test_methods_are_compared_and_the_best_is_first(app: App) -> None:
    with app.visit("plan", height=1600) as tab:
        tab.get_by_role("tab", name="Compare methods").click()
        settle(tab)
        press(tab, "Compare these methods")
        says(tab, re.compile("^Removed by"))
        expect(tab.locator(".st-key-compared_table")).to_be_visible()
        stats = jobs.result(app.home, MeasureSpec(ModelRef(), LITTLE))
        assert isinstance(stats, LayerStats)
        losses = {}
        for method in (method for method in METHODS if method.needs == "similarity"):
            spec = PreviewSpec(ModelRef(), LITTLE, method().plan(Measured(LAYERS, stats), 4))
            jobs.wait(app.home, jobs.job_id(spec), LONG_MS / 1000)
            seen = jobs.result(app.home, spec)
            assert isinstance(seen, Preview)
            losses[method.label] = seen.loss
        best_last = sorted(losses, key=lambda label: losses[label])[::-1]
        # the axis lists its rows from the bottom up
        rows = plot(tab, "compared_strips").locator(".ytick text").filter(has_not_text="removed by")
        expect(rows).to_have_text(best_last, timeout=30_000)
        settle(tab)


def test_a_block_is_replaced_by_a_linear_map(app: App) -> None:
    with app.visit("plan", height=1600) as tab:
        tab.get_by_role("tab", name="Replace instead of drop").click()
        settle(tab)
        press(tab, re.compile("^Use it: replace layers 9 to 12 with a linear map"))
        says(tab, "Replace layers 9 to 12 with a linear map (4 of 16)")
        says(tab, "How the fit went")
        says(tab, "Loss (nats per token)")


def test_training_draws_its_curve_and_can_be_cancelled_and_begun_again(app: App) -> None:
    with app.visit("plan", height=1600) as tab, new_ids(app.home, "replace") as fits:
        tab.get_by_role("tab", name="Replace instead of drop").click()
        settle(tab)
        pick(tab, "Replace with", "One trained layer")
        fill(tab, "Training steps", 5000)
        tab.get_by_role("button", name=re.compile("^Train and use it")).click()
        says(tab, re.compile(r"training the network for layers 9 to 12 · [\d,]+ of 5,000 steps"))
        expect(tab.get_by_text("error (1 = block dropped)")).to_be_visible(timeout=LONG_MS)
        tab.get_by_role("button", name="Cancel").click()
        says(tab, "Fitting the replacement was cancelled. No partial result was kept.")
        settle(tab)
        fill(tab, "Training steps", 10)
        press(tab, re.compile("^Train and use it"))
        says(tab, "Loss (nats per token)")
        settle(tab)
        expect(tab.get_by_text("error (1 = block dropped)")).to_be_visible()
    results = [app.home.result(job_id) for job_id in fits]
    steps = [each.curves["9-13"][-1, 0] for each in results if isinstance(each, ReplaceResult)]
    assert steps == [10]


def test_the_drop_map_is_measured_and_a_click_on_it_chooses(app: App) -> None:
    with app.visit("redundancy", height=1600) as tab:
        says(tab, "What dropping each block really costs")
        settle(tab)
        press(tab, "Measure the cost of dropping each block")
        says(tab, re.compile(r"of 4 of 4 texts"))
        settle(tab)
        maps = tab.locator(".ls-map[data-drawn]")
        expect(maps).to_have_count(2, timeout=LONG_MS)
        maps.nth(1).scroll_into_view_if_needed()
        area = maps.nth(1).locator(".nsewdrag").bounding_box()
        assert area
        i, j = 4, 6
        tab.mouse.click(area["x"] + (j + 0.5) * area["width"] / STATES, area["y"] + (i + 0.5) * area["height"] / STATES)
        says(tab, "Drop layers 4 to 5 (2 of 16)")
        settle(tab)
        fill(tab, "Layers to remove", 2)
        press(tab, "Measure these sets")
        expect(tab.get_by_role("button", name="Measure these sets")).to_have_count(0, timeout=LONG_MS)
        press(tab, re.compile(r"\(the best\)$"))
        says(tab, re.compile(r"^Drop layers? .*\(2 of 16\)$"))
