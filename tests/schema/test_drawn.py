"""What a text gives is kept as JSON and read back the same."""

import json

from prune_core.schema import serial
from prune_core.schema.drawn import Drawn


def test_what_was_drawn_survives_the_disk() -> None:
    drawn = Drawn(52, 2602, "column text of some.parquet", "<s> is put before each piece.")
    assert serial.from_json(Drawn, json.loads(serial.dumps(drawn))) == drawn
