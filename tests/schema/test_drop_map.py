"""The numbers that follow from a measured drop map."""

import numpy as np

from prune_core.schema.drop_map import damage_csv
from tests.fixtures.maps import drop_map_of


def test_csv_has_every_block_but_the_whole_model():
    lines = damage_csv(drop_map_of(np.arange(16.0).reshape(4, 4))).splitlines()
    assert lines[0].startswith("start,stop,") and len(lines) == 1 + 5
    assert lines[1] == "0,1,1,0,2,0"
