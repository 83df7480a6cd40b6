"""A whole run of a tiny model, in about a second: what tests of runs, faults and reports start from."""

import json
import random
from pathlib import Path

from prune_core import worker
from prune_core.pipeline import runner
from prune_core.reports import Metric
from prune_core.specs import Evaluation, Job, RunResult, RunSpec, SpeedSettings
from prune_core.store import Store
from prune_core.types import Calibration, HeldOut, ModelRef, drop_plan
from tests.core.tiny import tiny_model, tiny_tokenizer

LAYERS = 5
TASK = """
task: tiny_letters
dataset_path: json
dataset_kwargs:
  data_files:
    test: items.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: "{{query}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list:
  - metric: acc
"""


def model_and_text(folder: Path, texts: int) -> list[str]:
    """Write a tiny model of five layers to `folder`/model and so many random texts to `folder`/text.txt; the texts."""
    tiny_model("llama", LAYERS).save_pretrained(folder / "model")
    tiny_tokenizer().save_pretrained(folder / "model")
    rng = random.Random(0)
    made = ["".join(rng.choices("abcdefgh ", k=rng.randint(20, 40))) for _ in range(texts)]
    (folder / "text.txt").write_text("\n\n".join(made), encoding="utf-8")
    return made


def small_spec(folder: Path) -> RunSpec:
    """Write a tiny model, a text and a task of its items to `folder`; the run that cuts two of its five layers."""
    texts = model_and_text(folder, 8)
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "letters.yaml").write_text(TASK, encoding="utf-8")
    items = [{"query": text[:12], "choices": ["a", "bc", "d"], "gold": n % 3} for n, text in enumerate(texts)]
    (tasks / "items.jsonl").write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    text = str(folder / "text.txt")
    evaluation = Evaluation(
        heldout=HeldOut(text, context=32, stride=16),
        tasks=("tiny_letters",),
        task_folder=str(tasks),
        speed=SpeedSettings(prompt_tokens=4, new_tokens=2, warmup=0, repeats=2),
        prompts=("abc", "head"),
        new_tokens=4,
    )
    calibration = Calibration(text, samples=8, seq_len=32)
    return RunSpec(ModelRef(str(folder / "model"), device="cpu"), calibration, drop_plan(LAYERS, (1, 3)), evaluation)


def run_here(store: Store, run_id: str, spec: RunSpec) -> Job:
    """Run it in this process, new or resumed; how it ended."""
    store.save_spec(run_id, spec)
    job = worker.execute(store, run_id, runner(store))
    assert job is not None
    return job


def lasting(result: object) -> list[Metric]:
    """Every figure of a result that must repeat exactly: all but timings and peak memory."""
    assert isinstance(result, RunResult) and result.agreement is not None
    metrics = (*result.donor.metrics, *result.pruned.metrics, *result.agreement.metrics)
    return [m for m in metrics if m.unit not in ("tokens/s", "ms", "x") and m.name != "peak memory"]
