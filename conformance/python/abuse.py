"""What the tests of abuses share."""

from harness.raw import Closed, Gone, RawConnection
from harness.waiting import Stopwatch


def serves(broker):
    """The broker still serves a newcomer, promptly."""
    watch = Stopwatch()
    with RawConnection(broker) as link:
        link.open()
        round_trip(link, link.call(1, "queue.declare", exclusive=True).queue)
    assert watch.seconds < 5
    return True


def round_trip(link, queue):
    """Publishes to the queue and gets the message back; returns the seconds that took."""
    watch = Stopwatch()
    link.publish(1, queue, b"alive")
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    link.recv_content(1)
    return watch.seconds


def refused(link, codes, timeout=None):
    """The connection ends: with one of the codes, or with no word at all (as before authentication)."""
    try:
        return link.expect_closed(codes, timeout=timeout).reply_code
    except Gone:
        return None


def refused_or_ignored(link):
    """The connection ends; or (a broker need not decode the headers of a message that goes nowhere) it goes on."""
    try:
        link.fence()
    except Gone:
        pass
    except Closed as closed:
        assert closed.code in {501, 502, 503, 541}, closed
