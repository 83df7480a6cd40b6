"""lm-eval around the model in memory: tasks that write their answers, and what they tell of their progress."""

from prune_core.evaluate.tasks import run_tasks
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

WRITES = """
task: writes
dataset_path: json
dataset_kwargs:
  data_files:
    test: writes.jsonl
test_split: test
output_type: generate_until
doc_to_text: "{{query}}"
doc_to_target: "{{answer}}"
generation_kwargs:
  until: ["z"]
  max_gen_toks: 4
metric_list:
  - metric: exact_match
"""


def test_a_task_that_writes_answers_is_scored_and_ticks_an_answer_at_a_time(tmp_path):
    (tmp_path / "writes.yaml").write_text(WRITES)
    (tmp_path / "writes.jsonl").write_text('{"query": "ab", "answer": "c"}\n{"query": "cd", "answer": "e"}\n')

    class Told(Silent):
        def __init__(self) -> None:
            self.stages: dict[str, list[int]] = {}

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.name = name
            self.stages[name] = [0, total]

        def advance(self, done: int = 1) -> None:
            self.stages[self.name][0] += done

    told = Told()
    ask = Evaluation(tasks=("writes",), task_folder=str(tmp_path))
    (metric,) = run_tasks(tiny_model("llama", 2), tiny_tokenizer(), ask, told)
    assert metric.name.startswith("exact_match") and 0 <= metric.value <= 1 and metric.samples == 2
    assert told.stages["writing answers"] == [2, 2]
