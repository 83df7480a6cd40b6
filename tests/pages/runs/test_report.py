"""Reports: one HTML file that opens offline, whatever is in it."""

import json
import re

from pages._ui.runs import report
from pages._ui.runs.report_html import page as html_page
from pages._ui.runs.report_html import paragraph
from prune_core.schema.run import RunResult, RunSpec
from prune_core.store import catalogue
from prune_core.store.catalogue import About
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, run_spec


def whole(store: Store, run_id: str) -> tuple[catalogue.Entry, RunSpec, RunResult]:
    return (catalogue.entry(store, run_id), *catalogue.finished(store, run_id))


def test_the_report_of_a_run_has_everything_and_fetches_nothing(store, three):
    catalogue.say(store, three[0], About("<b>Best</b>", ("paper",), "Table 2 & more"))
    text = report.run_report(whole(store, three[0]))
    assert "<b>Best</b>" not in text and "&lt;b&gt;Best&lt;/b&gt;" in text and "Table 2 &amp; more" in text
    for words in (
        "2.500 ± 0.030",
        "3.010 ± 0.040",
        "nats/token",
        "95% interval",
        "-10.0 (-15.0 to -5.0): lost",
        "upon",
    ):
        assert words in text
    recipe = re.search(r"<pre>(\{.*?)</pre>", text, re.S)
    assert recipe is not None and "RunSpec" in recipe[1]
    figures = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert figures is not None
    drawn = json.loads(figures[1])
    assert len(drawn) == 2 and all(set(each) == {"light", "dark"} for each in drawn)
    without_plotly = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=", without_plotly) and "default-src 'none'" in text


def test_the_report_of_several_marks_the_best(store, three):
    catalogue.say(store, three[0], About("Best"))
    text = report.comparison_report([whole(store, run_id) for run_id in three[:2]])
    assert "3.010 ± 0.040 ★" in text and "2 runs side by side" in text and text.count("The recipe") == 2


def test_runs_of_one_name_are_told_apart(store):
    runs = [catalogue.entry(store, keep_run(store, number, run_spec(0))) for number in (1, 2)]
    assert report.names_of(runs) == ["drop layers 0 to 1 (2 of 16) (0001)", "drop layers 0 to 1 (2 of 16) (0002)"]


def test_text_cannot_end_the_script():
    text = html_page("x", [paragraph("</script><script>alert(1)</script>")])
    assert "<script>alert" not in text
