"""The order of the queue is one: what is claimed next is what is listed first and has none ahead of it."""

import random

import pytest

from prune_core.pipeline.house import open_store
from prune_core.store import database, processes, queue, worker
from prune_core.store.processes import Process

ADD = "INSERT INTO jobs (id, kind, state, quick, asked) VALUES (?, 'preview', 'queued', ?, ?)"


@pytest.fixture
def home(tmp_path):
    open_store(tmp_path)
    rows = [(f"job-{n}", n % 2, float(n // 3)) for n in range(12)]
    random.Random(0).shuffle(rows)
    for row in rows:
        database.write(tmp_path, ADD, row)
    database.write(tmp_path, worker.BECOME, (*processes.this_process(), 0))
    return tmp_path


def row(home, job_id):
    return database.read(home, "SELECT * FROM jobs WHERE id = ?", (job_id,))[0]


def test_list_claim_and_count_agree(home):
    me, listed = processes.this_process(), queue.waiting(home)
    expected = sorted((row(home, each) for each in listed), key=lambda job: (-job["quick"], job["asked"]))
    assert [(job["quick"], job["asked"]) for job in expected] == [
        (row(home, each)["quick"], row(home, each)["asked"]) for each in listed
    ]
    for each in listed:
        assert queue.ahead(home, row(home, each)) == sum(
            (job["quick"], -job["asked"]) > (row(home, each)["quick"], -row(home, each)["asked"]) for job in expected
        )
    claimed = [queue.claim(home, me) for _ in listed]
    assert sorted(claimed) == sorted(listed)
    by_turn = [(row(home, each)["quick"], row(home, each)["asked"]) for each in claimed]
    assert by_turn == sorted(by_turn, key=lambda turn: (-turn[0], turn[1]))
    assert queue.claim(home, me) is None


def test_nothing_is_given_to_a_process_that_is_no_more_the_worker(home):
    assert queue.claim(home, Process(1, "another")) is None
    assert len(queue.waiting(home)) == 12
