"""The kill test's oracle notices what it is there to notice."""

import pytest

from harness.recorder import Recorder, body_of, identity_of


@pytest.fixture
def recorder():
    """Messages 0 to 4 of `p`, sent to `q` and confirmed."""
    made = Recorder()
    for number in range(5):
        made.sending(("p", number), ("q",))
    made.confirmed(("p", number) for number in range(5))
    return made


def deliver(recorder, *numbers, queue="q"):
    for number in numbers:
        recorder.delivered(queue, body_of("p", number))


def test_bodies_tell_who_they_are():
    for number in (0, 1, 7, 499, 500, 123_456):
        body = body_of("publisher-1", number)
        assert identity_of(body) == ("publisher-1", number)
        assert identity_of(body[:-1] + bytes([body[-1] ^ 1])) is None
        assert identity_of(body[:-1]) is None


def test_all_delivered_in_order_is_no_problem(recorder):
    deliver(recorder, 0, 1, 2, 3, 4)
    recorder.drained("q")
    assert recorder.problems == []


def test_a_confirmed_message_that_never_comes_is_lost(recorder):
    deliver(recorder, 0, 1, 3, 4)
    recorder.drained("q")
    assert recorder.problems == ["no_confirmed_loss: q never gave ('p', 2)"]


def test_an_unconfirmed_message_may_be_lost(recorder):
    recorder.sending(("p", 5), ("q",))
    deliver(recorder, 0, 1, 2, 3, 4)
    recorder.drained("q")
    assert recorder.problems == []


def test_what_was_not_sent_there_is_a_phantom(recorder):
    deliver(recorder, 9)
    deliver(recorder, 1, queue="other")
    assert [problem.split(":")[0] for problem in recorder.problems] == ["no_phantom", "no_phantom"]


def test_first_deliveries_out_of_order_are_noticed_and_later_ones_are_not(recorder):
    deliver(recorder, 0, 2, 2, 0)
    assert recorder.problems == []
    deliver(recorder, 1)
    assert "fifo_per_publisher" in recorder.problems[0]


def test_a_message_after_its_durable_ack_is_a_zombie(recorder):
    deliver(recorder, 0, 1)
    recorder.acked_durably("q", [("p", 0)])
    deliver(recorder, 0, 1)
    assert (recorder.zombies, recorder.duplicates) == (1, 2)


def test_a_torn_body_is_noticed(recorder):
    recorder.delivered("q", body_of("p", 0)[:-2])
    assert "no_torn" in recorder.problems[0]
