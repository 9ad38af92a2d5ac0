"""AMQP.md, 'Transactions'."""

import pytest

from clients import Inbox, await_count, await_get, closes_channel, drain, fence, get, publish


@pytest.fixture
def queue(channel):
    return channel.queue_declare("", exclusive=True).method.queue


@pytest.fixture
def transaction(connection):
    """A channel in transaction mode."""
    opened = connection.channel()
    opened.tx_select()
    return opened


def test_publishes_take_effect_at_the_commit_in_order(channel, transaction, queue):
    for text in "abc":
        publish(transaction, queue, text)
    fence(transaction)
    assert get(channel, queue) is None
    transaction.tx_commit()
    await_count(channel, queue, 3)
    assert drain(channel, queue) == ["a", "b", "c"]


def test_rollback_undoes_publishes(channel, transaction, queue):
    publish(transaction, queue, "undone")
    transaction.tx_rollback()
    publish(transaction, queue, "done")
    transaction.tx_commit()
    assert await_get(channel, queue).text == "done"
    assert get(channel, queue) is None


def test_closing_the_channel_undoes_publishes(channel, transaction, queue):
    publish(transaction, queue, "undone")
    transaction.close()
    assert get(channel, queue) is None


@pytest.mark.parametrize("command", ["tx.commit", "tx.rollback"])
def test_commit_and_rollback_without_select_are_406(raw, command):
    link = raw().open()
    link.send(1, command)
    assert "PRECONDITION_FAILED" in link.expect_closed(406, "channel").reply_text


def test_select_twice_is_ok(transaction):
    transaction.tx_select()


def test_acks_take_effect_at_the_commit(channel, transaction, queue):
    for text in "abc":
        publish(channel, queue, text)
    tags = [await_get(transaction, queue, auto_ack=False).tag for _ in range(3)]
    transaction.basic_ack(tags[0])
    transaction.tx_commit()
    transaction.basic_ack(tags[1])
    transaction.close()
    await_count(channel, queue, 2)
    assert drain(channel, queue) == ["b", "c"], "an ack that was not committed comes to nothing"


@pytest.mark.parametrize("how", ["nack", "reject"])
def test_requeues_take_effect_at_the_commit(channel, transaction, queue, how):
    publish(channel, queue, "back")
    tag = await_get(transaction, queue, auto_ack=False).tag
    getattr(transaction, f"basic_{how}")(tag, requeue=True)
    fence(transaction)
    assert get(channel, queue) is None
    transaction.tx_commit()
    message = await_get(channel, queue)
    assert (message.text, message.redelivered) == ("back", True)


def test_a_rejection_dead_letters_at_the_commit(channel, transaction, queue):
    source = channel.queue_declare("", exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}).method.queue
    publish(channel, source, "bad")
    transaction.basic_reject(await_get(transaction, source, auto_ack=False).tag, requeue=False)
    fence(transaction)
    assert get(channel, queue) is None
    transaction.tx_commit()
    assert await_get(channel, queue).text == "bad"


def test_rollback_makes_acks_undone_so_that_they_can_be_given_again(channel, transaction, queue):
    publish(channel, queue, "x")
    tag = await_get(transaction, queue, auto_ack=False).tag
    transaction.basic_ack(tag)
    transaction.tx_rollback()
    transaction.basic_ack(tag)
    transaction.tx_commit()
    transaction.close()
    fence(channel)
    assert get(channel, queue) is None


def test_rollback_leaves_messages_with_the_consumer(channel, transaction, queue):
    publish(channel, queue, "x")
    await_get(transaction, queue, auto_ack=False)
    transaction.tx_rollback()
    assert get(channel, queue) is None
    transaction.basic_recover(requeue=True)
    assert await_get(channel, queue).redelivered


def test_an_unknown_tag_is_406(transaction):
    with closes_channel(406, "unknown delivery tag"):
        transaction.basic_ack(5)
        transaction.tx_commit()


def test_acks_out_of_order(channel, transaction, queue):
    for text in "abcd":
        publish(channel, queue, text)
    tags = [await_get(transaction, queue, auto_ack=False).tag for _ in range(4)]
    for place in (3, 0, 2):
        transaction.basic_ack(tags[place])
    transaction.tx_commit()
    transaction.close()
    await_count(channel, queue, 1)
    assert drain(channel, queue) == ["b"]


def test_acking_all_with_tag_zero(channel, transaction, queue):
    for text in "ab":
        publish(channel, queue, text)
    for _ in range(2):
        await_get(transaction, queue, auto_ack=False)
    transaction.basic_ack(0, multiple=True)
    transaction.tx_commit()
    transaction.close()
    fence(channel)
    assert get(channel, queue) is None


def test_acks_free_the_prefetch_only_at_the_commit(channel, connection, queue):
    consumer = connection.channel()
    consumer.tx_select()
    consumer.basic_qos(prefetch_count=1)
    for text in "ab":
        publish(channel, queue, text)
    inbox = Inbox(consumer, queue)
    inbox.wait(1)
    consumer.basic_ack(inbox.messages[0].tag)
    inbox.stays_at(1)
    consumer.tx_commit()
    inbox.wait(2)


def test_committing_to_a_deleted_queue_is_ok(channel, transaction, name):
    made = name()
    channel.queue_declare(made)
    publish(transaction, made, "lost")
    fence(transaction)
    channel.queue_delete(made)
    transaction.tx_commit()


def test_committing_acks_of_a_deleted_queue_is_ok(channel, transaction, name):
    made = name()
    channel.queue_declare(made)
    publish(channel, made)
    transaction.basic_ack(await_get(transaction, made, auto_ack=False).tag)
    channel.queue_delete(made)
    transaction.tx_commit()


def test_publishing_to_an_unknown_exchange_in_a_transaction_is_404(transaction, name):
    with closes_channel(404, "NOT_FOUND"):
        publish(transaction, "key", exchange=name())
        transaction.tx_commit()
