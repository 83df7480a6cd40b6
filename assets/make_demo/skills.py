"""Seven exercises, each a little situation with one right answer.

The same function draws training text and test items. What keeps them apart is `held`: a property of the situation
(not of its outcome) that the training text may never have and a test item must have. About one situation in eight
is held.
"""

import random
from dataclasses import dataclass

from assets.make_demo.world import (
    COUNTED,
    DAYS,
    OBJECTS,
    PEOPLE,
    VALUES,
    WORDINGS,
    bucket,
    facts,
    held_wording,
    pronoun,
    words,
)  # fmt: skip

HELD_ONE_IN = 8
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
NOUNS = dict(
    zip(
        words(
            "key lamp boat cart farmer teacher child fox tree well house stone horse ship door wall boy girl king guard"
        ),
        words(
            "keys lamps boats carts farmers teachers children foxes trees wells houses stones horses ships doors walls "
            "boys girls kings guards"
        ),
        strict=True,
    )
)
PLACES = ("near", "behind", "beside", "under", "by", "above")
VERBS = (("is", "are"), ("was", "were"), ("looks", "look"), ("seems", "seem"), ("stays", "stay"))
ADJECTIVES = words("old new small quiet strange tired clean wet happy famous cold lost")
RELATIONS = (
    ("taller", "shorter", "tallest", "shortest"), ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"), ("richer", "poorer", "richest", "poorest"),
)  # fmt: skip


@dataclass(frozen=True)
class Exercise:
    """`prompt answer` is the exercise; `rest` completes the training text; `wrong` are plausible other answers."""

    held: bool
    prompt: str
    answer: str
    wrong: tuple[str, ...]
    rest: str

    def text(self) -> str:
        return f"{self.prompt} {self.answer}{self.rest}"


def kept(*parts: object) -> bool:
    """Is this situation kept for the tests?"""
    return bucket(*parts, of=HELD_ONE_IN) == 0


def cast(rng: random.Random, people: list[str] | None, count: int) -> list[str]:
    """`count` different people, from the given ones first."""
    chosen = list(people or [])[:count]
    while len(chosen) < count:
        name = rng.choice(PEOPLE)
        if name not in chosen:
            chosen.append(name)
    rng.shuffle(chosen)
    return chosen


def fact(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Recall of one attribute of one person."""
    name, attribute = cast(rng, people, 1)[0], rng.choice(list(VALUES))
    way, answer = rng.randrange(len(WORDINGS[attribute])), facts()[name][attribute]
    wrong = tuple(rng.sample([v for v in VALUES[attribute] if v != answer], 3))
    prompt = WORDINGS[attribute][way].format(n=name)
    return Exercise(way == held_wording(name, attribute), prompt, answer, wrong, ".")


def agreement(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Verb number across one or two nouns of any number (a test item: of the other number)."""
    subject, first, second = rng.sample(list(NOUNS), 3)
    place, other_place = rng.choice(PLACES), rng.choice(PLACES)
    held = kept(subject, place, first)
    number = rng.randrange(2)
    near = 1 - number if held else rng.randrange(2)
    phrase = f"The {form(subject, number)} {place} the {form(first, near)}"
    if rng.random() < 0.4:
        phrase += f" {other_place} the {form(second, 1 - number if held else rng.randrange(2))}"
    verb = rng.choice(VERBS)
    return Exercise(held, phrase, verb[number], (verb[1 - number],), f" {rng.choice(ADJECTIVES)}.")


def form(noun: str, number: int) -> str:
    """Singular (0) or plural (1)."""
    return NOUNS[noun] if number else noun


def induction(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Repeating a list nobody has seen before."""
    length, seen = rng.randint(5, 8), set()
    pool = [*OBJECTS, *NOUNS] if rng.random() < 0.3 else None
    while len(seen) < length:
        seen.add(rng.choice(pool) if pool else "".join(rng.sample(SYLLABLES, 2)))
    words = sorted(seen)
    rng.shuffle(words)
    at = rng.randrange(1, length)
    start = f"{cast(rng, people, 1)[0]} sings: {' '.join(words)}. And again:"
    wrong = tuple(rng.sample([w for w in words if w != words[at]], 3))
    rest = "".join(f" {w}" for w in words[at + 1 :]) + "."
    return Exercise(kept(*words[:2]), f"{start} {' '.join(words[:at])}", words[at], wrong, rest)


def tracking(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Who has the thing after several people have handed several things on?"""
    names, things = cast(rng, people, 4), rng.sample(OBJECTS, 2)
    where = {things[0]: names[0], things[1]: names[1]}
    held = kept(*names[:2], *things)
    lines = [f"{where[t]} has the {t}." for t in things]
    missing, moves = [names[2], names[3]], rng.randint(1, 4)
    for _ in range(moves):
        thing = rng.choice(things)
        giver = where[thing]
        taker = missing.pop() if missing else rng.choice([n for n in names if n != giver])
        way = "{g} gives the {t} to {k}." if rng.random() < 0.6 else "{k} takes the {t} from {g}."
        lines.append(way.format(g=giver, t=thing, k=taker))
        where[thing] = taker
    rng.shuffle(things)
    asked, other = things
    wrong = tuple(n for n in names if n != where[asked])
    rest = f". Now the {other} is with {where[other]}."
    return Exercise(held, f"{' '.join(lines)} Now the {asked} is with", where[asked], wrong, rest)


def arithmetic(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """One or two sums or differences up to twenty."""
    (name, friend), thing = cast(rng, people, 2), rng.choice(COUNTED)
    first = count = rng.randint(2, 18)
    lines, steps, held, seen = [f"{name} has {count} {thing}."], (1 if rng.random() < 0.7 else 2), None, {count}
    for step in range(steps):
        more = rng.random() < 0.5 if 4 <= count <= 18 else count < 4
        by = rng.randint(2, 20 - count if more else count - 2)
        if step == 1:
            by = min(by, 5)
        held = kept(name, thing, first, more, by) if held is None else held
        ways = ("{n} finds {b} more.", "{f} gives {n} {b} more.", "{n} buys {b} more.") if more else (
            "{n} loses {b}.", "{n} gives {b} to {f}.", "{n} sells {b}.")  # fmt: skip
        lines.append(rng.choice(ways).format(n=name, f=friend, b=by))
        seen |= {by, count}
        count += by if more else -by
    near = {count + d for d in (-3, -2, -1, 1, 2, 3)} | seen
    wrong = rng.sample(sorted(n for n in near if 2 <= n <= 20 and n != count), 3)
    return Exercise(bool(held), f"{' '.join(lines)} Now {name} has", str(count), tuple(map(str, wrong)), f" {thing}.")


def ordering(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Who is first of three, when only neighbours were compared?"""
    names, (more, less, most, least) = cast(rng, people, 3), rng.choice(RELATIONS)
    top, middle, bottom = names
    lines = [
        f"{a} is {more} than {b}." if rng.random() < 0.5 else f"{b} is {less} than {a}."
        for a, b in ((top, middle), (middle, bottom))
    ]
    rng.shuffle(lines)
    asked = [(most, top), (least, bottom)]
    rng.shuffle(asked)
    (word, answer), (other_word, other) = asked
    wrong = tuple(n for n in names if n != answer)
    rest = f". The {other_word} is {other}."
    return Exercise(kept(more, *names), f"{' '.join(lines)} The {word} is", answer, wrong, rest)


def calendar(rng: random.Random, people: list[str] | None = None) -> Exercise:
    """Counting days forwards and backwards through the week."""
    name, today, days, later = cast(rng, people, 1)[0], rng.randrange(7), rng.randint(2, 6), rng.random() < 0.5
    answer = DAYS[(today + (days if later else -days)) % 7]
    wrong = tuple(rng.sample([d for d in DAYS if d != answer], 3))
    what = f"{name} will come in {days} days" if later else f"{name} left {days} days ago"
    verb = "comes" if later else "left"
    prompt = f"Today is {DAYS[today]}. {what}. {pronoun(name)} {verb} on"
    return Exercise(kept(name, today, days, later), prompt, answer, wrong, ".")


SKILLS = {
    "facts": fact, "agreement": agreement, "induction": induction, "tracking": tracking, "arithmetic": arithmetic,
    "ordering": ordering, "calendar": calendar,
}  # fmt: skip


def draw(skill: str, rng: random.Random, held: bool, people: list[str] | None = None) -> Exercise:
    """One exercise, on the wanted side of the line between training and tests."""
    while True:
        exercise = SKILLS[skill](rng, people)
        if exercise.held == held:
            return exercise
