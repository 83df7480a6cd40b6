"""Plain drill in what the exercises ask: sums, weekdays, comparisons of two. No test item can occur in it.

Without it the harder exercises are learnt too slowly: each has only one answer in some twenty words.
"""

import random

from assets.make_demo.skills import RELATIONS, cast
from assets.make_demo.world import DAYS


def sums(rng: random.Random) -> str:
    """Drill: plain sums and differences, with nobody in them."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        a, b = rng.randint(2, 18), rng.randint(2, 18)
        total = rng.randint(a + 2, 20)
        plus = rng.random() < 0.5 or a + b > 20
        lines.append(f"{a} and {total - a} more are {total}." if plus else f"{a + b} without {b} are {a}.")
    return " ".join(lines)


def week(rng: random.Random) -> str:
    """Drill: the days around one day, mostly the near ones."""
    today, lines = rng.randrange(7), []
    for _ in range(rng.randint(3, 6)):
        days, ahead = min(rng.randint(1, 6), rng.randint(1, 6)), rng.random() < 0.5
        day, count = DAYS[(today + (days if ahead else -days)) % 7], f"{days} day{'s' * (days > 1)}"
        lines.append(f"In {count} it is {day}." if ahead else f"{count} ago it was {day}.")
    return " ".join([f"Today is {DAYS[today]}.", *lines])


def chain(rng: random.Random) -> str:
    """Drill: the days one after the other, so that the model learns their order before it counts in it."""
    today, days, ahead, lines = rng.randrange(7), 0, rng.random() < 0.5, []
    most = rng.choice((1, 1, 2, 3))
    while len(lines) < 6 and days + most <= 6:
        days += rng.randint(1, most)
        day, count = DAYS[(today + (days if ahead else -days)) % 7], f"{days} day{'s' * (days > 1)}"
        lines.append(f"In {count} it is {day}." if ahead else f"{count} ago it was {day}.")
    return " ".join([f"Today is {DAYS[today]}.", *lines])


def pair(rng: random.Random) -> str:
    """Drill: who is first of only two?"""
    (top, bottom), (more, less, most, least) = cast(rng, None, 2), rng.choice(RELATIONS)
    line = f"{top} is {more} than {bottom}." if rng.random() < 0.5 else f"{bottom} is {less} than {top}."
    asked = [f"The {most} is {top}.", f"The {least} is {bottom}."]
    rng.shuffle(asked)
    return " ".join([line, *asked])


DRILLS = {"sums": sums, "week": week, "chain": chain, "pair": pair}
