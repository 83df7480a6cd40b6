"""The invented world: who lives where, does what, keeps which animal and likes which fruit.

The world is fixed by one seed. A language model can only know it by having read the corpus, so a question about it
measures recall and nothing else.
"""

import random
import zlib
from functools import cache


def words(text: str) -> tuple[str, ...]:
    """A word list, written as a line."""
    return tuple(text.split())


SHE = words(
    "Mira Elin Sora Tilda Nela Odette Runa Vesna Petra Ilka Juno Karin Lotte Marta Nora Olga Pia Rosa Sanna Tessa "
    "Ulla Wilma Ylva Zora Anika Bettina Cora Dalia Edda Freya"
)
HE = words(
    "Tovan Bram Odo Henrik Aldo Boris Casper Dirk Emil Falko Gustav Hugo Ivo Jonas Karl Linus Magnus Nils Oskar Paul "
    "Quentin Ralf Stefan Tomas Ulrich Viktor Walter Yannis Zeno Anton"
)
PEOPLE = tuple(sorted(SHE + HE))
TOWNS = words("Oakford Brindle Saltmere Highmoor Willowby Ashgate Fernley Dunmore Kestrel Larkhill Millbrook Stonewick")
JOBS = words("baker miller teacher doctor farmer weaver painter potter carpenter gardener singer fisher")
PETS = words("cat dog goat rabbit parrot turtle pony hen mouse duck")
FRUIT = words("pears plums figs peaches cherries melons lemons grapes mangos berries")
OBJECTS = words("lamp key book drum clock kite rope basket hat map bell ring flute cup knife coat")
COUNTED = words("coins buttons shells nails candles stamps marbles eggs cards beads feathers pins") + FRUIT
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

# Each fact can be told in six ways, all ending in the value, so that any of them can be the tested one.
WORDINGS = {
    "town": (
        "{n} lives in", "{n} has a house in", "The home of {n} is in", "You can find {n} in", "{n} comes from",
        "Letters for {n} go to",
    ),
    "job": (
        "{n} works as a", "{n} was trained as a", "The trade of {n} is that of a", "{n} earns a living as a",
        "Everyone knows {n} the", "In town {n} is the best",
    ),
    "pet": (
        "{n} has a pet", "The pet of {n} is a", "{n} keeps a", "At home {n} looks after a", "The animal of {n} is a",
        "{n} shares the house with a",
    ),
    "fruit": (
        "{n} loves to eat", "{n} always asks for", "The fruit that {n} likes best is", "At the market {n} looks for",
        "For breakfast {n} wants", "{n} dreams of",
    ),
}  # fmt: skip
VALUES = {"town": TOWNS, "job": JOBS, "pet": PETS, "fruit": FRUIT}


def bucket(*parts: object, of: int) -> int:
    """A stable pseudo-random number in [0, of): decides, the same way everywhere, what is kept for the tests."""
    return zlib.crc32("|".join(map(str, parts)).encode()) % of


@cache
def facts() -> dict[str, dict[str, str]]:
    """Person -> attribute -> value. Each value belongs to equally many people, so no answer is likelier a priori."""
    rng, table = random.Random(20), {name: {} for name in PEOPLE}
    for attribute, values in VALUES.items():
        dealt = [values[i % len(values)] for i in range(len(PEOPLE))]
        rng.shuffle(dealt)
        for name, value in zip(PEOPLE, dealt, strict=True):
            table[name][attribute] = value
    return table


def held_wording(name: str, attribute: str) -> int:
    """The one wording in which this person's fact is asked in the tests, and therefore never told in training."""
    return bucket(name, attribute, of=len(WORDINGS[attribute]))


def told_wordings(name: str, attribute: str) -> list[str]:
    """The wordings in which training may tell the fact."""
    tested = held_wording(name, attribute)
    return [w for i, w in enumerate(WORDINGS[attribute]) if i != tested]


def tell(rng: random.Random, name: str, attribute: str) -> str:
    """One sentence that states the fact, in a wording that is not the tested one."""
    return f"{rng.choice(told_wordings(name, attribute)).format(n=name)} {facts()[name][attribute]}."


def pronoun(name: str) -> str:
    """`She` or `He`."""
    return "She" if name in SHE else "He"
