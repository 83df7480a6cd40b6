"""The test items as JSON lines, and the YAML files with which lm-eval reads them.

python -m assets.make_demo.tasks
"""

import json
import random
from pathlib import Path

import yaml

from assets.make_demo.corpus import SEEDS
from assets.make_demo.skills import Exercise, draw

TASKS = Path(__file__).resolve().parents[1] / "tasks"
ITEMS = 240
ABOUT = {
    "facts": "Recalls where people of the invented world live, their work, their animal and their favourite fruit.",
    "agreement": "Chooses the verb form that agrees with the subject, not with the nouns in between.",
    "induction": "Repeats a list of random words from its first lines.",
    "tracking": "Says who holds a thing after several hand-overs.",
    "arithmetic": "Works out sums and differences up to twenty in a little story.",
    "ordering": "Says who is first of three when only neighbours were compared.",
}
TASK = """\
# {about}
task: demo_{skill}
custom_dataset: !function items.load
dataset_kwargs:
  name: {skill}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{query}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
target_delimiter: " "
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
  chance: {chance}
  description: {about}
"""


def items(skill: str) -> list[dict]:
    """The test items: held situations, each prompt once, the right answer equally often in each place."""
    rng, seen, made = random.Random(f"{SEEDS['tests']} {skill}"), set(), []
    balance: dict[str, int] = {}
    while len(made) < ITEMS:
        exercise = draw(skill, rng, held=True)
        if exercise.prompt in seen or not even(exercise, balance, skill):
            continue
        seen.add(exercise.prompt)
        choices = list(exercise.wrong)
        gold = len(made) % (len(choices) + 1)
        choices.insert(gold, exercise.answer)
        made.append({"query": exercise.prompt, "choices": choices, "gold": gold})
    rng.shuffle(made)
    return made


def even(exercise: Exercise, balance: dict[str, int], skill: str) -> bool:
    """For agreement, where only two answers exist: neither form may be right more often than the other."""
    if skill != "agreement":
        return True
    if balance.get(exercise.answer, 0) >= ITEMS // 10:
        return False
    balance[exercise.answer] = balance.get(exercise.answer, 0) + 1
    return True


def write_tasks() -> None:
    """The items as JSON lines, and the YAML files that lm-eval reads."""
    TASKS.mkdir(exist_ok=True)
    for skill in ABOUT:
        made = items(skill)
        (TASKS / f"{skill}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in made))
        chance = round(1 / len(made[0]["choices"]), 4)
        (TASKS / f"{skill}.yaml").write_text(TASK.format(skill=skill, about=ABOUT[skill], chance=chance))
    group = {
        "group": "demo_skills",
        "task": [f"demo_{s}" for s in ABOUT],
        "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": False}],
        "metadata": {"version": 1.0},
    }
    (TASKS / "demo_skills.yaml").write_text(yaml.safe_dump(group, sort_keys=False))


def leaked_item(text: str) -> str | None:
    """The first test item (its prompt with its answer) that occurs in `text`, or None: training must give None."""
    for skill in ABOUT:
        for item in map(json.loads, (TASKS / f"{skill}.jsonl").read_text().splitlines()):
            full = f"{item['query']} {item['choices'][item['gold']]}"
            if full in text:
                return full
    return None


if __name__ == "__main__":
    write_tasks()
