"""How fitting a replacement went, as curves."""

import numpy as np

from pages._ui.figures.fit_curves import ridge_curves, training_curves
from prune_core.schema.fit import Fit
from tests.pages.synthetic import CURVE


def test_training_curves_say_what_one_means():
    figure = training_curves({"9-13": CURVE}, Fit(steps=20))
    held_back, taught = figure.data
    assert list(held_back.y) == [0.7, 0.5, 0.4] and list(taught.x) == [0, 10, 20]
    assert figure.layout.yaxis.title.text == "error (1 = block dropped)"
    assert figure.layout.annotations[0].text == "block dropped"
    mixed = training_curves({"9-13": CURVE, "2-4": CURVE}, Fit(steps=20, lm_weight=0.5))
    assert [trace.name for trace in mixed.data][::2] == [
        "layers 2 to 3, validation text",
        "layers 9 to 12, validation text",
    ]
    assert not mixed.layout.annotations


def test_the_ridge_that_was_kept_stands_out_and_the_plain_cut_is_named():
    curve = np.array([[np.inf, np.nan, 1.5], [0.1, np.nan, 1.4], [10, np.nan, 1.6]])
    (line,) = ridge_curves({"9-13": curve}).data
    assert list(line.x) == ["0.1", "10", "plain cut"] and list(line.y) == [1.4, 1.6, 1.5]
    assert line.marker.size[0] > line.marker.size[1]
