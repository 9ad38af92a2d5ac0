"""Celery, unmodified: a worker with retries, countdown, late acks, priorities and results over rpc://."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.waiting import eventually

WITHIN = 20


@pytest.fixture(scope="module")
def program(broker):
    """The Celery program, with a worker running."""
    prefix = f"conformance.{os.getpid()}.celery"
    env = {**os.environ, "CONFORMANCE_URL": broker.url(), "CONFORMANCE_PREFIX": prefix}
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_program", "worker", "--pool", "threads", "--concurrency", "4",
         "--loglevel", "WARNING", "-Q", f"{prefix}.tasks,{prefix}.other", "-n", f"{prefix}@localhost"],
        cwd=Path(__file__).parent, env=env, stdin=subprocess.DEVNULL,
    )
    os.environ.update(CONFORMANCE_URL=broker.url(), CONFORMANCE_PREFIX=prefix)
    import celery_program

    try:
        eventually(lambda: worker.poll() is not None or celery_program.app.control.ping(timeout=1),
                   within=30, what="the worker answers a ping")
        assert worker.poll() is None, "the worker ended"
        yield celery_program
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
        celery_program.app.close()


def test_a_task_gives_its_result(program):
    assert program.add.delay(2, 3).get(timeout=WITHIN) == 5


def test_many_tasks_give_their_own_results(program):
    results = [program.add.delay(number, number) for number in range(100)]
    assert [result.get(timeout=WITHIN) for result in results] == [2 * number for number in range(100)]


def test_a_task_is_retried_until_it_succeeds(program):
    assert program.fails_twice.delay("done").get(timeout=WITHIN) == "done after 2 retries"


def test_a_task_that_always_fails_gives_its_error(program):
    with pytest.raises(ValueError, match="never"):
        program.fails_always.delay().get(timeout=WITHIN)


def test_a_countdown_holds_a_task_back(program):
    sent = time.time()
    assert program.when.apply_async(countdown=1.5).get(timeout=WITHIN) >= sent + 1.4


def test_a_task_that_expired_is_revoked(program):
    result = program.when.apply_async(countdown=0.5, expires=0.1)
    with pytest.raises(Exception, match="(?i)expired"):
        result.get(timeout=WITHIN)


def test_a_task_goes_to_the_queue_of_its_route(program):
    assert program.elsewhere.delay().get(timeout=WITHIN) == "elsewhere"


def test_groups_and_chains(program):
    from celery import chain, group

    assert group(program.add.s(number, 1) for number in range(5))().get(timeout=WITHIN) == [1, 2, 3, 4, 5]
    assert chain(program.add.s(1, 2), program.add.s(10), program.add.s(100))().get(timeout=WITHIN) == 113


def test_priorities_are_accepted(program):
    assert program.add.apply_async((1, 1), priority=5).get(timeout=WITHIN) == 2


def test_a_worker_answers_its_operator(program):
    inspected = program.app.control.inspect(timeout=3)
    (stats,) = inspected.stats().values()
    assert stats["pool"]["max-concurrency"] == 4
    (queues,) = inspected.active_queues().values()
    assert len(queues) == 2
