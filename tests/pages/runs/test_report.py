"""Reports: one HTML file that opens offline, whatever is in it."""

import json
import re
from html.parser import HTMLParser

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from pages._ui.runs import report
from pages._ui.runs.report_html import Code, Folded, Heading, Pair, Paragraph, Table
from pages._ui.runs.report_html import page as html_page
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


HOSTILE = "</script><!--<script>alert(1)</script><b>&amp;"


def test_no_text_can_leave_its_place():
    def draw(look) -> go.Figure:
        return go.Figure(go.Bar(x=[HOSTILE], y=[1]), layout={"title": {"text": HOSTILE}})

    sections = [
        *(Heading(HOSTILE), Paragraph(HOSTILE), Code(HOSTILE), Pair(HOSTILE, HOSTILE)),
        *(Table((HOSTILE,), ((HOSTILE,),)), Folded(HOSTILE, Code(HOSTILE)), draw),
    ]
    text = html_page(HOSTILE, sections)
    ours = text.replace(get_plotlyjs(), "")
    assert re.findall(r"(?i)<(?:script|!--|/script|b\b)[^>]*>?", ours) == [
        *("<script>", "</script>"),  # plotly.js, taken out above
        *('<script type="application/json" id="figures">', "</script>"),
        *("<script>", "</script>"),
    ]
    parser = Texts()
    parser.feed(ours)
    shown = [words for tag, words in parser.found if HOSTILE in words]
    assert len(shown) == 10, "each is read back as it was written"
    drawn = next(words for tag, words in parser.found if tag == "script" and words.startswith("[{"))
    assert json.loads(drawn)[0]["dark"]["layout"]["title"]["text"] == HOSTILE
    assert not set("<>&") & set(drawn)


class Texts(HTMLParser):
    """What a reader of HTML takes for text, with the tag that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._tag = ""

    def handle_starttag(self, tag, attrs):
        self._tag = tag

    def handle_data(self, data):
        self.found.append((self._tag, data))


def test_a_run_named_like_the_end_of_a_script_is_reported(store, three):
    catalogue.say(store, three[0], About("</script><!--<script", ("<i>",), "<img src=x onerror=alert(1)>"))
    for text in (
        report.run_report(whole(store, three[0])),
        report.comparison_report([whole(store, run_id) for run_id in three[:2]]),
    ):
        assert text.count("</script>") == text.replace(get_plotlyjs(), "").count("</script>") == 3
        assert "<!--" not in text.replace(get_plotlyjs(), "") and "<img" not in text.replace(get_plotlyjs(), "")
        assert "&lt;/script&gt;&lt;!--&lt;script" in text
