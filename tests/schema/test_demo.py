"""The demo model, its tasks and its corpus are what the model card says they are."""

import json
import random
from itertools import islice

import pytest
import torch
import yaml
from lm_eval.tasks import TaskManager
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.make_demo import corpus, tasks
from assets.make_demo.measure import answers_right, load_items
from assets.make_demo.skills import draw
from assets.make_demo.world import PEOPLE, VALUES, WORDINGS, facts, held_wording, told_wordings

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def donor():
    """The shipped model as a user loads it, with what the loader has to report."""
    model, report = AutoModelForCausalLM.from_pretrained(corpus.MODEL, dtype=torch.float32, output_loading_info=True)
    return model.eval(), AutoTokenizer.from_pretrained(corpus.MODEL), report


@pytest.fixture(scope="module")
def training_text() -> str:
    """The beginning of all stages of what the model was trained on."""
    return "\n".join(line for part in corpus.MIXTURES for line in islice(corpus.documents(part), 6_000))


def test_the_model_loads_completely_and_is_small(donor):
    model, _, report = donor
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.model_type == "llama"
    assert model.config.num_hidden_layers == len(model.model.layers) == 16
    assert (corpus.MODEL / "model.safetensors").stat().st_size <= 12 * MEGABYTE


def test_the_tokenizer_begins_with_bos_and_returns_the_text(donor):
    _, tokenizer, _ = donor
    text = "It is a sunny morning in Oakford. Mira has 12 pears."
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("skill", tasks.ABOUT)
def test_every_task_has_enough_fair_items(skill):
    items = load_items(skill)
    assert len({item["query"] for item in items}) == len(items) >= 200
    width = len(items[0]["choices"])
    for item in items:
        assert len(set(item["choices"])) == width
        assert 0 <= item["gold"] < width
    places = [sum(item["gold"] == place for item in items) for place in range(width)]
    assert max(places) - min(places) <= 1
    task = yaml.safe_load((tasks.TASKS / f"{skill}.yaml").read_text().replace("!function ", ""))
    assert task["metadata"]["chance"] == pytest.approx(1 / width, abs=1e-3)


def test_lm_eval_finds_the_tasks_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = TaskManager(include_path=str(tasks.TASKS), include_defaults=False).load(["demo_skills"])
    assert set(found["tasks"]) == {f"demo_{skill}" for skill in tasks.ABOUT}
    for name, task in found["tasks"].items():
        item = load_items(name.removeprefix("demo_"), 1)[0]
        document = next(iter(task.test_docs()))
        assert task.doc_to_text(document) == item["query"]
        assert task.doc_to_choice(document) == item["choices"]
        assert task.doc_to_target(document) == item["gold"]


def test_the_generator_repeats_itself_and_wrote_the_shipped_files():
    calibration, heldout = ((corpus.TEXT / f"{n}.txt").read_text().splitlines() for n in ("calibration", "heldout"))
    assert calibration == corpus.corpus_text("calibration")
    assert heldout == corpus.corpus_text("heldout", frozenset(calibration))
    assert not set(heldout) & set(calibration)
    for lines in (calibration, heldout):
        assert 150_000 <= sum(len(line) + 1 for line in lines) <= 300_000
    for skill in tasks.ABOUT:
        assert tasks.items(skill) == load_items(skill)


def test_the_three_texts_are_different_stories(training_text):
    """Short documents recur in training by nature; a long story never does."""
    seen = set(training_text.splitlines())
    calibration, heldout = ((corpus.TEXT / f"{n}.txt").read_text().splitlines() for n in ("calibration", "heldout"))
    for lines, others in ((calibration, seen), (heldout, seen)):
        assert not [line for line in lines if len(line) > 250 and line in others]


def test_no_item_occurs_in_training(training_text):
    assert tasks.leaked_item(training_text) is None
    assert tasks.leaked_item(f"Once upon a time. {first_item_of('ordering')}.") is not None
    for item in load_items("facts"):
        assert item["query"] not in training_text


def first_item_of(skill: str) -> str:
    item = load_items(skill, 1)[0]
    return f"{item['query']} {item['choices'][item['gold']]}"


def test_every_fact_is_told_in_training_but_never_in_the_tested_wording(training_text):
    for name in PEOPLE:
        for attribute in VALUES:
            tested = WORDINGS[attribute][held_wording(name, attribute)].format(n=name)
            assert tested not in training_text
            told = [f"{w.format(n=name)} {facts()[name][attribute]}" for w in told_wordings(name, attribute)]
            assert any(sentence in training_text for sentence in told)


@pytest.mark.parametrize("skill", tasks.ABOUT)
def test_an_exercise_stays_on_its_side_and_its_answer_is_no_wrong_choice(skill):
    rng = random.Random(8)
    for held in (True, False):
        for _ in range(200):
            exercise = draw(skill, rng, held)
            assert exercise.held == held
            assert exercise.answer not in exercise.wrong


@pytest.mark.parametrize("skill", tasks.ABOUT)
def test_the_donor_has_the_skill(donor, skill):
    """Surely more often right than by guessing: three standard errors of a guesser, on half of the items."""
    model, tokenizer, _ = donor
    items = load_items(skill, 120)
    chance = 1 / len(items[0]["choices"])
    guesser_error = (chance * (1 - chance) / len(items)) ** 0.5
    assert sum(answers_right(model, tokenizer, items)) / len(items) > chance + 3 * guesser_error


def test_the_card_states_the_measured_numbers():
    numbers = json.loads((corpus.MODEL / "measured.json").read_text())
    card = (corpus.MODEL / "README.md").read_text()
    assert f"{numbers['parameters']:,}" in card
    for accuracy in numbers["accuracies"].values():
        assert f"{accuracy:.1%}" in card
    assert sum(numbers["accuracies"].values()) / len(tasks.ABOUT) >= 0.8
