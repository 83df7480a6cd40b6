"""Telling nobody never stops anything."""

import inspect

from prune_core.schema.progress import Progress, Silent


def test_silence_takes_what_the_protocol_takes() -> None:
    silent: Progress = Silent()
    silent.stage("measuring", 3)
    silent.stage("measuring", 3, "texts")
    silent.advance()
    silent.advance(2)
    for name in ("stage", "advance"):
        ours, asked = (inspect.signature(getattr(cls, name)).parameters for cls in (Silent, Progress))
        assert list(ours.values()) == list(asked.values())
