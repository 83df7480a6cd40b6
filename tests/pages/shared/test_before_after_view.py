"""The table of donor and pruned model."""

from dataclasses import replace

from pages._ui.shared.before_after_view import comparison_table
from prune_core.schema.reports import Metric
from tests.pages.synthetic import report


def test_a_speed_changes_by_its_paired_speed_up():
    speed = Metric("decode", "batch 1", 138.3, "tokens/s", True, 2.0, None, 7, "median of 7 rounds")
    before, after = (replace(r, metrics=(*r.metrics, speed)) for r in (report("donor", 1), report("pruned", 1.1)))
    rows = {row["Metric"]: row for row in comparison_table(before, after).to_dict("records")}
    assert rows["decode ↑"]["Change"] == "1.200 ± 0.050 x" and rows["perplexity ↓"]["Change"] == "+10.0%"
    alone = replace(after, metrics=(replace(speed, value=276.6),))  # of an older version
    assert comparison_table(before, alone)["Change"].iloc[0] == "+100.0%"
