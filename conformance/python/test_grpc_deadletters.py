"""gRPC: dead letters, looked at, sent again and dropped."""

import grpc
import pytest
from grpc_client import Client, bodies, failure, to_queue, v1
from harness.waiting import eventually

pytestmark = pytest.mark.differs_on_rabbitmq("it has no gRPC")


@pytest.fixture
def client(broker):
    with grpc.insecure_channel(broker.http_url.removeprefix("http://")) as channel:
        yield Client(channel)


@pytest.fixture
def dead(client, name):
    """Two queues with dead letters of three and one, and the queue that they wait in."""
    work, other, dead = name("work"), name("other"), name("dead")
    client.make_queue(dead)
    for queue in (work, other):
        client.make_queue(queue, settings=v1.QueueSettings(dead_letter_topic="", dead_letter_routing_key=dead))
    client.publish(work, b"1", b"2", b"3")
    client.SettleLeases(v1.SettleLeasesRequest(
        nacks=[v1.LeaseNack(lease_id=lease.lease_id, dead_letter=True) for lease in client.pull(work, max=3)]))
    eventually(lambda: client.counts(dead) == (3, 0))
    client.publish(other, b"4", ttl_ms=1)
    eventually(lambda: client.counts(dead) == (4, 0))
    return work, other, dead


def letters(client, dead, **fields):
    return client.ListDeadLetters(v1.ListDeadLettersRequest(queue=dead, **fields))


def test_dead_letters_are_listed_with_their_story_and_stay(client, dead):
    work, other, dead = dead
    found = letters(client, dead).dead_letters
    assert bodies(found) == [b"1", b"2", b"3", b"4"]
    assert [letter.source_queue for letter in found] == [work] * 3 + [other]
    assert [letter.reason for letter in found] == [v1.DEAD_LETTER_REASON_REJECTED] * 3 + [v1.DEAD_LETTER_REASON_EXPIRED]
    assert {(letter.count, letter.source_topic) for letter in found} == {(1, "")}
    assert [letter.source_routing_key for letter in found] == [work] * 3 + [other]
    assert all(letter.first_at_ms > 1_700_000_000_000 for letter in found)
    assert client.counts(dead) == (4, 0)
    assert not any(letter.received.redelivered for letter in letters(client, dead).dead_letters), "looking is no delivery"
    first = letters(client, dead, page_size=3)
    second = letters(client, dead, page_size=3, page_token=first.next_page_token)
    assert (len(first.dead_letters), bodies(second.dead_letters), second.next_page_token) == (3, [b"4"], "")
    assert bodies(letters(client, dead, source_queue=other).dead_letters) == [b"4"]
    assert len(letters(client, dead, reason=v1.DEAD_LETTER_REASON_REJECTED).dead_letters) == 3


def test_dead_letters_are_sent_again(client, dead, name):
    work, _, dead = dead
    second = letters(client, dead).dead_letters[1].received.position.sequence
    selection = v1.DeadLetterSelection(sequences=[second])
    replayed = client.ReplayDeadLetters(v1.ReplayDeadLettersRequest(queue=dead, selection=selection))
    assert (replayed.replayed, list(replayed.failed_sequences), replayed.detail) == (1, [], "")
    [again] = client.pull(work, wait_ms=10_000)
    assert bodies([again]) == [b"2"] and not again.received.message.headers
    elsewhere = name("elsewhere")
    client.make_queue(elsewhere)
    selection = v1.DeadLetterSelection(all=True, source_queue=work)
    request = v1.ReplayDeadLettersRequest(queue=dead, selection=selection, address=to_queue(elsewhere))
    assert client.ReplayDeadLetters(request).replayed == 2
    assert bodies(client.pull(elsewhere, max=9, wait_ms=10_000)) == [b"1", b"3"]
    eventually(lambda: client.counts(dead) == (1, 0))


def test_what_cannot_be_sent_again_stays(client, dead):
    work, _, dead = dead
    client.DeleteQueue(v1.DeleteQueueRequest(name=work))
    sequences = [letter.received.position.sequence for letter in letters(client, dead, source_queue=work).dead_letters]
    selection = v1.DeadLetterSelection(all=True, source_queue=work)
    replayed = client.ReplayDeadLetters(v1.ReplayDeadLettersRequest(queue=dead, selection=selection))
    assert (replayed.replayed, list(replayed.failed_sequences)) == (0, sequences)
    assert replayed.detail
    eventually(lambda: client.counts(dead) == (4, 0))


def test_dead_letters_are_dropped(client, dead):
    _, _, dead = dead
    selection = v1.DeadLetterSelection(all=True, reason=v1.DEAD_LETTER_REASON_EXPIRED)
    discard = lambda selection: client.DiscardDeadLetters(
        v1.DiscardDeadLettersRequest(queue=dead, selection=selection)).discarded
    assert discard(selection) == 1
    assert discard(v1.DeadLetterSelection(sequences=[10_000])) == 0
    assert bodies(letters(client, dead).dead_letters) == [b"1", b"2", b"3"]
    for selection in [None, v1.DeadLetterSelection(), v1.DeadLetterSelection(all=True, sequences=[1])]:
        found = failure(lambda selection=selection: discard(selection))
        assert found.detail("BadRequest").field_violations[0].field == "selection"
    assert discard(v1.DeadLetterSelection(all=True)) == 3
    assert client.counts(dead) == (0, 0)
