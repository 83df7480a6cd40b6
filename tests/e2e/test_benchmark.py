"""Your own prompts and the map of skills in a real browser, on the demo model."""

import re
from dataclasses import replace

from playwright.sync_api import expect

from prune_core.pipeline.specs import TextSpec
from prune_core.schema.continuations import Texts
from prune_core.schema.inputs import ModelRef
from tests.e2e.driver import LONG_MS, settle
from tests.e2e.visiting import CHOSEN, LAYERS, LITTLE, App, answered

ROWS = 7
PROMPT = "It is a sunny morning in *Oakford*."


def test_a_prompt_is_continued_by_both_models_before_our_eyes(app: App) -> None:
    with app.visit("benchmark") as tab:
        tab.get_by_role("tab", name="Try your own prompts").click()
        settle(tab)
        tab.get_by_role("textbox", name="Prompts").fill(PROMPT)
        for setting, value in (("New tokens", "100"), ("Temperature", "0")):
            tab.get_by_role("spinbutton", name=setting).fill(value)
        tab.get_by_role("button", name="Generate", exact=True).click()
        lengths: list[tuple[int, int]] = []
        ends = tab.get_by_text(re.compile("^The pruned model (diverges at token|reproduces the donor)"))
        while not ends.count():
            shown = tab.locator(".ls-text").all_inner_texts()
            if len(shown) == 2:
                lengths.append((len(shown[0]), len(shown[1])))
            tab.wait_for_timeout(50)
        settle(tab)
        for side in (0, 1):
            seen = [length[side] for length in lengths]
            assert len(set(seen)) >= 3, f"the text did not grow on the page: {seen}"
            assert seen == sorted(seen)
        donor, pruned = tab.locator(".ls-text").all_inner_texts()
        assert donor.startswith(PROMPT) and donor != pruned
        assert tab.locator(".ls-text mark").count() == 2
        expect(tab.locator(".js-plotly-plot")).to_be_visible()


def test_the_texts_are_there_after_a_refresh(app: App) -> None:
    spec = TextSpec(ModelRef(), LITTLE, CHOSEN.chosen["demo"], ("Mira meets",), new_tokens=8, temperature=0.0)
    text_id = answered(app.home, spec)
    texts = app.home.result(text_id)
    assert isinstance(texts, Texts)
    (pair,) = texts.pairs
    with app.visit("benchmark", replace(CHOSEN, text_id=text_id)) as tab:
        for refresh in (False, True):
            if refresh:
                tab.reload()
                settle(tab)
            tab.get_by_role("tab", name="Try your own prompts").click()
            settle(tab)
            shown = [text.split() for text in tab.locator(".ls-text").all_inner_texts()]
            assert shown == [("Mira meets" + text).split() for text in (pair.donor, pair.pruned)]


def test_the_map_of_skills_is_measured_and_a_click_on_it_chooses(app: App) -> None:
    with app.visit("benchmark") as tab:
        tab.get_by_role("tab", name="Where it hurts").click()
        settle(tab)
        limit = tab.get_by_role("spinbutton", name="Items per task")
        limit.fill("6")
        limit.press("Enter")
        settle(tab)
        tab.get_by_role("button", name="Measure where it hurts").click()
        expect(tab.get_by_text(re.compile("^Needed for ")).first).to_be_visible(timeout=LONG_MS)
        settle(tab)
        area = tab.locator(".js-plotly-plot .nsewdrag").bounding_box()
        assert area is not None
        for layer, words in ((14, "Drop layers 9 to 12, 14 (5 of 16)"), (9, "Drop layers 10 to 12, 14 (4 of 16)")):
            tab.mouse.click(area["x"] + (layer + 0.5) * area["width"] / LAYERS, area["y"] + 2.5 * area["height"] / ROWS)
            expect(tab.get_by_text(words)).to_be_visible()
            settle(tab)
        expect(tab.get_by_role("button", name="Download CSV")).to_be_visible()
