"""Let a method choose layers."""

from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli import run_tables
from prune_core.cli.asking import answer, model_ref
from prune_core.cli.options import Device, Precision
from prune_core.cli.texts import looked_at, takes_a_text
from prune_core.methods import from_words, method_named
from prune_core.pipeline.specs import PlanResult, PlanSpec
from prune_core.schema import serial
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration
from prune_core.schema.run import RunSpec
from prune_core.store.files import write_text


def methods() -> None:
    """List the methods that choose layers, their settings and where they were published."""
    run_tables.show_methods()


@takes_a_text
def choose_layers(
    text: Calibration,
    method: Annotated[str, typer.Option(help="The method's name; `methods` lists them.")],
    model: Annotated[str, typer.Option(help="Local folder, hub id, or 'demo'.")] = "demo",
    budget: Annotated[int | None, typer.Option(help="How many layers to remove.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting as name=value; repeatable.")] = None,
    device: Device = "auto",
    dtype: Precision = "auto",
    out: Annotated[Path | None, typer.Option(help="Write the plan as a recipe to this file.")] = None,
) -> None:
    """Let a method choose the layers. Given a budget and no threshold, the method finds the threshold that meets it."""
    ref = model_ref(model, device, dtype)
    chosen = from_words(method_named(method), settings or [], budget)
    looked_at(ref, text)
    result = answer(PlanResult, PlanSpec(ref, text, chosen, budget))
    run_tables.show_plan(result, chosen)
    if out is not None:
        write_text(out, serial.dumps(RunSpec(ref, text, result.plan, Evaluation())))
        print(f"Wrote {out}. Run it with: layerscope run {out}")
