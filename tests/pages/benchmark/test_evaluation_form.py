"""What is measured, as a form."""

import json

from pages._ui.shared.forms import prompts_from, prompts_text
from prune_core.schema.evaluation import Evaluation
from tests.pages.finished import page


def test_prompts_are_parted_by_empty_lines_and_may_have_several_lines(store):
    app = page("benchmark")
    area = next(each for each in app.text_area if each.key == "prompts")
    assert area.value == "\n\n".join(Evaluation().prompts) and "empty line" in area.help
    area.set_value("one\n  more\n \n\ntwo\n").run()
    (kept,) = store.home.glob("workspaces/[!.]*.json")
    assert json.loads(kept.read_text())["evaluation"]["prompts"] == ["one\n  more", "two"]
    assert prompts_from(prompts_text(("a\nb ", "c"))) == ("a\nb ", "c") and prompts_from(" \n") == ()


def test_presets_fill_in_the_form(store):
    app = page("benchmark")
    assert any("Demo skills." in caption.value for caption in app.caption)
    app.button(key="tasks_mmlu").click().run()
    assert app.text_input(key="tasks").value == "mmlu"
    assert app.text_input(key="task_folder").value == ""
    assert app.number_input(key="fewshot").value == 5
    app.button(key="windows_wikitext").click().run()
    assert (app.number_input(key="context").value, app.number_input(key="stride").value) == (2048, 2048)
    assert app.checkbox(key="joined").value
    (kept,) = store.home.glob("workspaces/[!.]*.json")
    assert '"fewshot": 5' in kept.read_text() and '"context": 2048' in kept.read_text()
    app.number_input(key="speed_warmup").set_value(5).run()
    assert '"warmup": 5' in kept.read_text() and not app.exception
    app.button(key="tasks_demo-skills").click().run()
    assert app.number_input(key="fewshot").value is None
