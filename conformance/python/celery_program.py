"""A Celery program as its users write it; only the broker's URL comes from outside."""

import os
import time

from celery import Celery

PREFIX = os.environ["CONFORMANCE_PREFIX"]

app = Celery("celery_program", broker=os.environ["CONFORMANCE_URL"], backend="rpc://")
app.conf.update(
    task_default_queue=f"{PREFIX}.tasks",
    task_acks_late=True,
    task_queue_max_priority=5,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    task_routes={"celery_program.elsewhere": {"queue": f"{PREFIX}.other"}},
)


@app.task
def add(left, right):
    return left + right


@app.task(bind=True, max_retries=5)
def fails_twice(self, text):
    """Succeeds at the third attempt."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.1, exc=ValueError("not yet"))
    return f"{text} after {self.request.retries} retries"


@app.task(bind=True, max_retries=1)
def fails_always(self):
    raise self.retry(countdown=0.05, exc=ValueError("never"))


@app.task
def when():
    return time.time()


@app.task
def elsewhere():
    return "elsewhere"


@app.task
def total(numbers):
    return sum(numbers)
