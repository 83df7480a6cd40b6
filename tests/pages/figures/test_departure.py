"""Where the pruned model departs from the donor's text."""

from pages._ui.figures.departure import departure
from pages._ui.shared.theme import LIGHT
from tests.pages.synthetic import PAIR


def test_the_departure_takes_no_text_for_html():
    figure = departure(PAIR, LIGHT)
    links, donor, pruned, same, other = figure.data
    assert list(links.y) == [0.9, 0.8, None, 0.6, 0.1, None]
    assert list(donor.y) == [0.9, 0.6] and list(pruned.y) == [0.8, 0.1]
    assert list(same.y) == [0.02, None] and list(other.y) == [None, 0.7]
    assert "&lt;b&gt;&amp;" in donor.text[1] and "<b>" not in donor.text[1]
    assert list(figure.layout.xaxis2.ticktext) == ["The", "&lt;b&gt;&amp;"]
    assert figure.layout.shapes[0].x0 == 1.5
