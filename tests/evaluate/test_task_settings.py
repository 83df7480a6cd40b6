"""Few-shot, limit and JSON-lines tasks: lm-eval's own command line gives the same digits; bad lines are named."""

import json
from dataclasses import replace

import pytest

from prune_core.evaluate import task_list
from prune_core.evaluate.harness import ResidentLM
from prune_core.evaluate.jsonl_items import read_items
from prune_core.evaluate.jsonl_task import jsonl_task
from prune_core.evaluate.tasks import choose_tasks, group_metrics, run_tasks, score_task
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Silent
from tests.evaluate.test_tasks import ITEMS, command_line, evaluation, folder, model
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

__all__ = ["folder", "model"]  # fixtures

GOOD = {"query": "After a comes", "choices": ["b", "aaa", "z or y"], "gold": 0}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "items.jsonl"


def write(file, *lines) -> None:
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def scores(model, asked: Evaluation) -> dict[tuple[str, str], tuple[float, float | None]]:
    return {(m.task, m.name): (m.value, m.stderr) for m in run_tasks(model, tiny_tokenizer(), asked)}


def test_few_shot_and_limit_equal_the_command_line(model, folder, tmp_path):
    theirs = command_line(folder, model, tmp_path, "tiny_letters", "--num_fewshot", "3", "--limit", "11")
    asked = Evaluation(HeldOut(), ("tiny_letters",), str(folder), 11, fewshot=3)
    ours = run_tasks(model, tiny_tokenizer(), asked)
    assert {m.name for m in ours} == {"acc", "acc_norm"}
    for metric in ours:
        assert metric.value == theirs["tiny_letters"][f"{metric.name},none"]
        assert metric.stderr == theirs["tiny_letters"][f"{metric.name}_stderr,none"]
        assert "3-shot, batch 64, first 11 items" in metric.note
    three, none = (
        score_task(model, tiny_tokenizer(), choose_tasks(each, Silent()), "tiny_letters", each, Silent()).outcomes
        for each in (asked, replace(asked, fewshot=None))
    )
    assert three.loglikelihoods != none.loglikelihoods


def test_a_jsonl_file_is_the_task_that_a_yaml_makes_of_it(model, folder, tmp_path):
    for shots in (None, 2):
        by_yaml = Evaluation(HeldOut(), ("tiny_letters",), str(folder), fewshot=shots)
        by_file = Evaluation(HeldOut(), (str(folder / "items.jsonl"),), None, fewshot=shots)
        beside = Evaluation(HeldOut(), ("items.jsonl",), str(folder), fewshot=shots)
        expected = {name: value for (_, name), value in scores(model, by_yaml).items()}
        for asked in (by_file, beside):
            assert scores(model, asked) == {("items", name): value for name, value in expected.items()}


def test_files_and_names_together_but_each_task_once(model, folder, tmp_path):
    here = tmp_path / "tiny_letters.jsonl"
    write(here, GOOD, GOOD)
    found = scores(model, Evaluation(HeldOut(), ("items.jsonl", "tiny_words"), str(folder)))
    assert {task for task, _ in found} == {"items", "tiny_words"}
    with pytest.raises(UserError, match="brings the task 'tiny_letters' a second time"):
        scores(model, Evaluation(HeldOut(), ("tiny_letters", str(here)), str(folder)))
    with pytest.raises(UserError, match="-1 few-shot examples"):
        scores(model, Evaluation(HeldOut(), ("tiny_letters",), str(folder), fewshot=-1))
    with pytest.raises(UserError, match="A limit of 0 leaves no items"):
        scores(model, Evaluation(HeldOut(), ("tiny_letters",), str(folder), 0))


def test_a_folder_of_jsonl_files_alone_leaves_lm_evals_own_tasks(file, monkeypatch):
    write(file, GOOD)
    monkeypatch.setattr(task_list, "_builtin", lambda: FakeManager())
    monkeypatch.setattr(task_list, "_by_name", lambda manager, name: {"tasks": {name: manager}, "groups": {}})
    chosen = choose_tasks(Evaluation(tasks=("items.jsonl", "arc_easy"), task_folder=str(file.parent)), Silent())
    assert set(chosen.tasks) == {"items", "arc_easy"}
    with pytest.raises(UserError, match=r"no task called 'arc_eesy' in .* did you mean arc_easy"):
        choose_tasks(Evaluation(tasks=("arc_eesy",), task_folder=str(file.parent)), Silent())
    with pytest.raises(UserError, match=r"no task called 'arc_easy items' in .*: separate tasks by commas"):
        choose_tasks(Evaluation(tasks=("arc_easy items",), task_folder=str(file.parent)), Silent())


class FakeManager:
    """lm-eval's own tasks are thousands, and their items are on the hub."""

    def __init__(self) -> None:
        self.task_index = {"arc_easy": None}


def test_a_task_written_for_no_examples_stays_so(model, folder, tmp_path):
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_text(file.read_text().replace("num_fewshot: 2", "num_fewshot: 0"))
    (found,) = run_tasks(model, tiny_tokenizer(), Evaluation(HeldOut(), ("tiny_words",), str(tmp_path), fewshot=4))
    assert "0-shot as the task is written" in found.note


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": ', r"Line 3 of items\.jsonl is not valid JSON"),
        ("[1, 2]", "Line 3 .*is not a JSON object"),
        ({"query": "q", "gold": 0}, "Line 3 .*has no choices: every item needs query, choices and gold"),
        (GOOD | {"query": 7}, r"Line 3 .*query that is not text \(7\)"),
        (GOOD | {"choices": "ab"}, "Line 3 .*not two or more texts"),
        (GOOD | {"choices": ["a"]}, "Line 3 .*not two or more texts"),
        (GOOD | {"choices": ["a", ""]}, "Line 3 .*none empty"),
        (GOOD | {"gold": 3}, "Line 3 .*has gold 3: give the right choice's number, 0 to 2"),
        (GOOD | {"gold": "b"}, "Line 3 .*has gold 'b'"),
        (GOOD | {"gold": True}, "Line 3 .*has gold True"),
    ],
)
def test_bad_lines_are_named(file, line, message):
    write(file, GOOD, "", line, GOOD)
    with pytest.raises(UserError, match=message):
        read_items(file)


def test_bad_files_are_named(model, file):
    asked = Evaluation(HeldOut(), (str(file),), None)
    with pytest.raises(UserError, match="cannot be read"):
        scores(model, asked)
    with pytest.raises(UserError, match="check the path, and separate tasks by commas"):
        scores(model, Evaluation(HeldOut(), (f"{file} {file}",), None))
    write(file, "", "")
    with pytest.raises(UserError, match="has no items"):
        scores(model, asked)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        scores(model, asked)


def test_odd_signs_stay_as_they_are(model, file):
    item = {"query": "{{ 7 }} {% raw %}\u2028 \\n", "choices": ["{{gold}}", "['a']"], "gold": 1, "extra": "left out"}
    write(file, item, item)
    chosen = choose_tasks(Evaluation(HeldOut(), (str(file),), None), Silent())
    for task in (chosen.tasks["items"], jsonl_task(file)):
        doc = next(iter(task.eval_docs))
        assert task.doc_to_text(doc) == item["query"]
        assert task.doc_to_choice(doc) == item["choices"]
    kept = {name: item[name] for name in ("query", "choices", "gold")}
    assert read_items(file) == [kept, kept]


def test_every_item_is_kept(model, folder):
    asked = evaluation(folder, "tiny_skills")
    chosen = choose_tasks(asked, Silent())
    assert chosen.asked == {"tiny_letters": "tiny_skills", "tiny_words": "tiny_skills"}
    each = {name: score_task(model, tiny_tokenizer(), chosen, name, asked, Silent()) for name in chosen.tasks}
    outcomes = each["tiny_letters"].outcomes
    by_name = {m.name: m.value for m in each["tiny_letters"].metrics}
    assert {name: sum(right) / ITEMS for name, right in outcomes.right.items()} == by_name
    lm = ResidentLM(model, tiny_tokenizer(), Silent())
    for item, (lls, tokens) in enumerate(zip(outcomes.loglikelihoods, outcomes.tokens, strict=True)):
        doc = chosen.tasks["tiny_letters"].eval_docs[item]
        assert tokens == tuple(len(choice) + 1 for choice in doc["choices"])  # a token a character, and the space
        assert outcomes.right["acc"][item] == (max(range(3), key=lambda c: lls[c]) == doc["gold"])
        again = lm._loglikelihood_tokens(
            [(("", ""), lm.tok_encode(doc["query"]), lm.tok_encode(" " + doc["choices"][0])[1:])], override_bs=1
        )
        assert again[0][0] == pytest.approx(lls[0], rel=1e-5)
    metrics = [m for score in each.values() for m in score.metrics]
    assert (*metrics, *group_metrics(chosen, metrics)) == run_tasks(model, tiny_tokenizer(), asked)


def test_an_answer_longer_than_the_context_names_its_item_as_lm_eval_would_stop_there(file):
    write(file, GOOD, GOOD | {"choices": ["b", "a" * 40]})
    asked = Evaluation(HeldOut(), (str(file),), None)
    short = tiny_model("llama", 1, max_position_embeddings=32)
    with pytest.raises(UserError, match=r"answer to item 2 .* has 41 tokens.*lm-eval itself stops there"):
        run_tasks(short, tiny_tokenizer(), asked)
    assert run_tasks(short, tiny_tokenizer(), Evaluation(HeldOut(), (str(file),), None, 1))


def test_more_examples_than_there_are_is_an_error(model, file):
    write(file, *(GOOD | {"query": query} for query in "abc"))
    assert scores(model, Evaluation(HeldOut(), (str(file),), None, fewshot=2))
    with pytest.raises(UserError, match="The task items has 2 examples to show, 3 are asked for"):
        scores(model, Evaluation(HeldOut(), (str(file),), None, fewshot=3))
