"""Task scores: lm-eval's own command line gives the same digits; errors are sentences; nothing lent is changed."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from prune_core.evaluate.tasks import run_tasks
from prune_core.schema import demo
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Silent
from prune_core.schema.reports import Metric
from tests.fixtures.letter_task import FROM_FILE
from tests.fixtures.tiny import CONTEXT, tiny_model, tiny_tokenizer

BY_FUNCTION = """
    task: tiny_words
    custom_dataset: !function words.load
    dataset_kwargs: {}
    test_split: test
    fewshot_split: test
    num_fewshot: 2
    output_type: multiple_choice
    doc_to_text: "Say {{query}}:"
    doc_to_choice: "{{choices}}"
    doc_to_target: gold
    metric_list:
      - metric: acc
    metadata:
      version: 1.0
      chance: 0.4
"""
WORDS = """
    from datasets import Dataset, DatasetDict


    def load(**_):
        rows = [{"query": f"word {n}", "choices": ["ab", "cde", "f" * (n % 4 + 1)][: 2 + n % 2], "gold": n % 2}
                for n in range(17)]
        return DatasetDict(test=Dataset.from_list(rows))
"""
GROUP = """
    group: tiny_skills
    task: [tiny_letters, tiny_words]
    aggregate_metric_list:
      - metric: acc
        weight_by_size: false
"""
ITEMS = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """Two tasks, one reading a file that lies beside it and one a trusted function, and their group."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, text in (("letters.yaml", FROM_FILE), ("words.yaml", BY_FUNCTION), ("group.yaml", GROUP)):
        (folder / name).write_text(textwrap.dedent(text).strip() + "\n")
    (folder / "words.py").write_text(textwrap.dedent(WORDS))
    letters = "abcdefghijklmnopqrstuvwxyz"
    items = [
        {"query": f"After {letters[n]} comes", "choices": [letters[n + 1], letters[n] * 3, "z or y"], "gold": n % 3}
        for n in range(ITEMS)
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with pytest.MonkeyPatch.context() as setting:
        setting.setenv("LAYERSCOPE_TRUST_TASKS", str(tmp_path_factory.getbasetemp()))
        yield folder


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama", 3)


def evaluation(folder: Path, *tasks: str, limit: int | None = None) -> Evaluation:
    return Evaluation(HeldOut(), tasks, str(folder), limit)


def run(model, folder: Path, *tasks: str, limit: int | None = None) -> dict[tuple[str, str], Metric]:
    found = run_tasks(model, tiny_tokenizer(), evaluation(folder, *tasks, limit=limit))
    return {(metric.task, metric.name): metric for metric in found}


def command_line(folder: Path, model, work: Path, task: str = "tiny_skills", *more: str) -> dict:
    """The results that `python -m lm_eval` writes for the saved model."""
    model.save_pretrained(work / "model")
    tiny_tokenizer().save_pretrained(work / "model")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu", "--batch_size", "64"]
    command += ["--model_args", f"pretrained={work / 'model'},dtype=float32"]
    command += ["--tasks", task, "--include_path", str(folder), "--output_path", str(work / "out"), *more]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1"}
    # There the file beside the YAML is found only from its own folder.
    done = subprocess.run(command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (written,) = (work / "out").glob("**/results_*.json")
    return json.loads(written.read_text())["results"]


def test_every_digit_equals_the_command_line(model, folder, tmp_path):
    theirs, ours = command_line(folder, model, tmp_path), run(model, folder, "tiny_skills")
    assert set(ours) == {(t, m) for t in ("tiny_letters", "tiny_words", "tiny_skills") for m in ("acc",)} | {
        ("tiny_letters", "acc_norm")
    }
    for (task, name), metric in ours.items():
        assert metric.value == theirs[task][f"{name},none"]
        assert metric.stderr == theirs[task][f"{name}_stderr,none"]
    assert ours["tiny_letters", "acc"].value != ours["tiny_letters", "acc_norm"].value


def test_what_stands_beside_a_score(model, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # the data file is found from anywhere
    found = run(model, folder, "tiny_skills")
    letters, words, skills = (found[task, "acc"] for task in ("tiny_letters", "tiny_words", "tiny_skills"))
    assert (letters.chance, words.chance) == (pytest.approx(1 / 3), 0.4)
    assert skills.chance == pytest.approx((1 / 3 + 0.4) / 2)
    assert skills.value == pytest.approx((letters.value + words.value) / 2)
    assert (letters.samples, words.samples, skills.samples) == (ITEMS, 17, ITEMS + 17)
    assert letters.unit == "fraction"
    assert letters.higher_is_better
    assert letters.note.endswith("0-shot, batch 64")
    assert words.note.endswith("2-shot, batch 64")
    assert skills.note.startswith("mean of 2 tasks, lm-eval ")


def test_chance_is_computed_where_it_is_not_stated(model, folder, tmp_path):
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_text(file.read_text().replace("  chance: 0.4\n", ""))
    items = [n % 2 for n in range(9)]
    found = run(model, tmp_path, "tiny_words", limit=len(items))["tiny_words", "acc"]
    assert found.chance == pytest.approx(sum(1 / (2 + extra) for extra in items) / len(items))
    assert found.samples == 9
    assert "first 9 items of each task" in found.note


def test_requests_beyond_the_context_are_counted(folder):
    short = tiny_model("llama", 2, max_position_embeddings=16)
    found = run(short, folder, "tiny_letters")["tiny_letters", "acc"]
    cut = (
        2 * ITEMS
    )  # "<s>After a comes" with " b" is 16 tokens and needs 15 of context; the other two choices are longer
    assert f"{cut} requests cut on the left to the model's context" in found.note
    assert "cut" not in run(tiny_model("llama", 2), folder, "tiny_letters")["tiny_letters", "acc"].note


def test_model_tokenizer_and_surroundings_stay_as_they_were(model, folder, capfd):
    import lm_eval.api.task
    import lm_eval.utils

    tokenizer, bar = tiny_tokenizer(), lm_eval.api.task.tqdm
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run_tasks(model, tokenizer, evaluation(folder, "tiny_letters", limit=3))
    assert tokenizer.pad_token is None
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert not model._forward_pre_hooks
    assert lm_eval.api.task.tqdm is bar
    assert "from_string" not in vars(lm_eval.utils.env)
    assert capfd.readouterr() == ("", "")


def test_progress_counts_tokens_and_cancel_works_in_the_middle(model, folder):
    class Stops(Silent):
        def __init__(self, at: int) -> None:
            self.stages: list[tuple[str, int, str]] = []
            self.done, self.at = 0, at

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.stages.append((name, total, unit))
            self.done = 0

        def advance(self, done: int = 1) -> None:
            self.done += done
            if self.done >= self.at:
                raise Cancelled

    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    texts = [f"{item['query']} {choice}" for item in items for choice in item["choices"]]
    tokens = sum(len(tiny_tokenizer()(text)["input_ids"]) for text in texts)
    progress = Stops(at=tokens // 2)
    with pytest.raises(Cancelled):
        run_tasks(model, tiny_tokenizer(), evaluation(folder, "tiny_letters"), progress)
    assert progress.stages == [("loading tasks", 1, "steps"), ("scoring tiny_letters", tokens, "tokens")]
    assert progress.done < tokens and not model._forward_pre_hooks
    whole = Stops(at=tokens + 1)
    run_tasks(model, tiny_tokenizer(), evaluation(folder, "tiny_letters"), whole)
    assert whole.done == tokens


def test_scores_that_are_not_numbers_are_an_error(folder):
    ruined = tiny_model("llama", 1)
    ruined.lm_head.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="scores are not numbers"):
        run(ruined, folder, "tiny_letters")


def test_answers_that_cannot_be_scored_are_named(folder, tmp_path):
    short = tiny_model("llama", 1, max_position_embeddings=8)
    (tmp_path / "letters.yaml").write_text((folder / "letters.yaml").read_text() + "target_delimiter: ''\n")
    for answer, message in (("a" * 9, "has 9 tokens, more than this model's context of 8"), ("", "has no tokens")):
        items = [{"query": "q", "choices": ["a", last], "gold": 0} for last in ("b", answer)]
        (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        with pytest.raises(UserError, match=f"answer to item 2 of the task tiny_letters {message}"):
            run(short, tmp_path, "tiny_letters")


def test_batches_shrink_so_that_logits_fit(model, folder, monkeypatch):
    from prune_core.evaluate import harness

    before = run(model, folder, "tiny_skills")
    longest, item = CONTEXT, 4
    monkeypatch.setattr(harness, "LOGIT_BYTES", 2 * longest * model.config.vocab_size * item)
    after = run(model, folder, "tiny_skills")
    assert {key: m.value for key, m in after.items()} == {key: m.value for key, m in before.items()}
    assert "batch 64" not in after["tiny_letters", "acc"].note


def test_the_demo_skills_run(model):
    found = run_tasks(model, tiny_tokenizer(), Evaluation(task_limit=2))
    skills = [m for m in found if m.task != "demo_skills"]
    assert len(skills) >= 5
    assert all(m.chance is not None and m.samples == 2 for m in skills)
    assert [m.task for m in found][-1] == "demo_skills"
    assert Evaluation().task_folder == "demo"
    assert demo.TASKS.is_dir()


def test_unknown_names_list_close_ones(model, folder):
    with pytest.raises(UserError, match=r"no task called 'tiny_leters' in .*did you mean tiny_letters"):
        run(model, folder, "tiny_leters")
    with pytest.raises(UserError, match=r"did you mean .*hellaswag"):
        run_tasks(model, tiny_tokenizer(), Evaluation(tasks=("helaswag",), task_folder=None))


def test_folders_and_files_that_are_wrong(model, folder, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        run(model, tmp_path / "nowhere", "tiny_letters")
    with pytest.raises(UserError, match="no YAML task"):
        run(model, tmp_path, "tiny_letters")
    (tmp_path / "broken.yaml").write_text("task: [tiny_letters\n")
    with pytest.raises(UserError, match=r"could not be read: broken\.yaml"):
        run(model, tmp_path, "tiny_letters")
    (tmp_path / "broken.yaml").write_text((folder / "letters.yaml").read_text())
    with pytest.raises(UserError, match=r"tiny_letters could not be read .*items\.jsonl"):
        run(model, tmp_path, "tiny_letters")
    for text in ('{"query": ', '{"query": "no choices here"}'):
        (tmp_path / "items.jsonl").write_text(text + "\n")
        with pytest.raises(UserError, match="tiny_letters could not be read"):
            run(model, tmp_path, "tiny_letters")


def test_a_data_set_out_of_reach_is_said_at_once(model, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "far.yaml").write_text(textwrap.dedent(FROM_FILE).replace("json\n", "nobody/nowhere\n"))
    with pytest.raises(UserError, match="not on this machine and the Hub cannot be reached"):
        run(model, tmp_path, "tiny_letters")
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


# --- code that task files bring along -------------------------------------------------------------------------------
