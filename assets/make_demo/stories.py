"""Little stories of the world: a few people, one day, several scenes that use the same skills as the exercises.

Scenes borrow their exercises from `skills.draw(..., held=False)`, so no story can contain a test item.
"""

import random

from assets.make_demo.skills import ADJECTIVES, NOUNS, PLACES, draw, form
from assets.make_demo.world import OBJECTS, PEOPLE, SHE, facts, pronoun, tell, words

WEATHER = words("rainy sunny windy foggy snowy warm cold quiet")
TIMES = words("morning afternoon evening")
WAYS = (
    "walks along the river", "sits by the fire", "sweeps the floor", "looks out of the window", "opens the door",
    "climbs the hill", "waits at the bridge", "reads a letter", "sings a song", "cooks a soup",
)  # fmt: skip
MOODS = words("happy tired hungry proud sad calm curious cheerful")
ENDINGS = (
    "Then the day is over and everyone goes home.", "In the evening they all laugh about it.",
    "At night the stars come out and the town is quiet.", "And that is how the day ends.",
    "Soon everyone is asleep.", "They will remember this day for a long time.",
)  # fmt: skip


def his(name: str) -> str:
    return "her" if name in SHE else "his"


def opening(rng: random.Random, cast: list[str]) -> str:
    """When, where and who."""
    a, town = cast[0], facts()[cast[0]]["town"]
    start = f"It is a {rng.choice(WEATHER)} {rng.choice(TIMES)} in {town}."
    if rng.random() < 0.6:
        return f"{start} {a} the {facts()[a]['job']} {rng.choice(WAYS)}."
    return f"{start} {introduce(rng, cast)}"


def introduce(rng: random.Random, cast: list[str]) -> str:
    """Two facts of one person; with some chance the second begins with the name again, never with a pronoun."""
    name = rng.choice(cast)
    return " ".join(tell(rng, name, a) for a in rng.sample(["town", "job", "pet", "fruit"], 2))


def meeting(rng: random.Random, cast: list[str]) -> str:
    """Two people meet and greet."""
    a, b = rng.sample(cast, 2)
    word = rng.choice(("Good morning", "Hello", "How nice to see you", "Come in"))
    return (
        f"{a} meets {b}, who comes from far away."
        if rng.random() < 0.15
        else f'{a} meets {b}. "{word}, {b}," says {a}. {b} is {rng.choice(MOODS)} today.'
    )


def pet(rng: random.Random, cast: list[str]) -> str:
    """What the animal of one person does."""
    a = rng.choice(cast)
    animal, place = facts()[a]["pet"], f"{rng.choice(PLACES)} the {rng.choice(list(NOUNS))}"
    return rng.choice(
        (
            f"{a} brings {his(a)} {animal} along. The {animal} sleeps {place}.",
            f"The {animal} of {a} runs away. {a} looks everywhere, and at last the {animal} comes back to {a}.",
            f"{a} feeds the {animal}. {pronoun(a)} is {rng.choice(MOODS)} because the {animal} is well.",
        )
    )


def food(rng: random.Random, cast: list[str]) -> str:
    """Somebody is offered the favourite fruit."""
    a, b = rng.sample(cast, 2)
    fruit = facts()[a]["fruit"]
    return rng.choice(
        (
            f"{b} brings {fruit} for {a}, because {a} likes {fruit} more than anything.",
            f"{a} is hungry and eats some {fruit}. {b} eats {facts()[b]['fruit']}.",
            f'"Here are some {fruit}," says {b}. {a} smiles and thanks {b}.',
        )
    )


def lost(rng: random.Random, cast: list[str]) -> str:
    """A thing is lost and found: the same name and the same thing come back."""
    a, b = rng.sample(cast, 2)
    thing, noun = rng.choice(OBJECTS), rng.choice(list(NOUNS))
    place = f"{rng.choice(PLACES)} the {form(noun, rng.randrange(2))}"
    return (
        f"{a} cannot find the {thing}. {b} looks {place}. There is the {thing}! "
        f"{b} brings the {thing} to {a}, and {a} is {rng.choice(('happy', 'calm', 'cheerful'))} again."
    )


def sight(rng: random.Random, cast: list[str]) -> str:
    """What they see on the way: number agreement."""
    a = rng.choice(cast)
    return f"{a} looks around. {draw('agreement', rng, False).text()} {draw('agreement', rng, False).text()}"


def act(rng: random.Random, cast: list[str]) -> str:
    """Somebody does something with some feeling."""
    a = rng.choice(cast)
    return f"{a} {rng.choice(WAYS)}. {pronoun(a)} is {rng.choice(MOODS)} and {rng.choice(ADJECTIVES[2:6])}."


def skill(name: str):
    """A scene that is an exercise among the people of this story."""
    return lambda rng, cast: draw(name, rng, False, rng.sample(cast, len(cast))).text()


SCENES = (
    (introduce, 3), (meeting, 2), (pet, 2), (food, 2), (lost, 2), (sight, 1.5), (act, 1.5), (skill("tracking"), 2.5),
    (skill("arithmetic"), 2.5), (skill("ordering"), 2), (skill("induction"), 1), (skill("calendar"), 1.5),
)  # fmt: skip


def story(rng: random.Random) -> str:
    """One story: an opening, two to five different scenes, an ending."""
    cast = rng.sample(PEOPLE, rng.randint(2, 4))
    scenes, weights = zip(*SCENES, strict=True)
    chosen: list = []
    for scene in rng.choices(scenes, weights, k=rng.randint(2, 5)):
        if scene not in chosen:
            chosen.append(scene)
    return " ".join([opening(rng, cast), *(scene(rng, cast) for scene in chosen), rng.choice(ENDINGS)])
