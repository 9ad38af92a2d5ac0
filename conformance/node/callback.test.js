// amqplib's callback API: the same broker, the other door of the library.
'use strict';

const { test, describe } = require('node:test');
const assert = require('node:assert/strict');
const amqp = require('amqplib/callback_api');

const url = process.env.AMQP_URL || 'amqp://guest:guest@127.0.0.1:5672';
const DEADLINE = { timeout: 20000 };

/** Runs `body(connection, done, fail)` on a connection of its own and closes it when `done` is called. */
function withConnection(body) {
  return new Promise((resolve, reject) => {
    amqp.connect(url, (refused, connection) => {
      if (refused) return reject(refused);
      connection.on('error', reject);
      return body(connection, () => connection.close(() => resolve()), reject);
    });
  });
}

describe('callback API', DEADLINE, () => {
  test('hello world', () => withConnection((connection, done, fail) => {
    connection.createChannel((refused, channel) => {
      if (refused) return fail(refused);
      return channel.assertQueue('', { exclusive: true }, (error, ok) => {
        if (error) return fail(error);
        channel.consume(ok.queue, (message) => {
          assert.equal(message.content.toString(), 'Hello World!');
          channel.ack(message);
          done();
        });
        return channel.sendToQueue(ok.queue, Buffer.from('Hello World!'));
      });
    });
  }));

  test('a fanout exchange copies to each queue', () => withConnection((connection, done, fail) => {
    connection.createChannel((refused, channel) => {
      if (refused) return fail(refused);
      const exchange = `conformance.${process.pid}.${Date.now()}.fanout`;
      const got = [];
      channel.assertExchange(exchange, 'fanout', { autoDelete: true });
      const receive = (queue, ready) => {
        channel.bindQueue(queue, exchange, '');
        channel.consume(queue, (message) => {
          got.push(message.content.toString());
          if (got.length === 2) { assert.deepEqual(got, ['news', 'news']); done(); }
        }, { noAck: true }, ready);
      };
      return channel.assertQueue('', { exclusive: true }, (_e1, one) => {
        channel.assertQueue('', { exclusive: true }, (_e2, two) => {
          receive(one.queue, () => receive(two.queue, () => channel.publish(exchange, '', Buffer.from('news'))));
        });
      });
    });
  }));

  test('get, nack and get again', () => withConnection((connection, done, fail) => {
    connection.createChannel((refused, channel) => {
      if (refused) return fail(refused);
      return channel.assertQueue('', { exclusive: true }, (_error, { queue }) => {
        channel.sendToQueue(queue, Buffer.from('x'));
        channel.get(queue, {}, (_e1, first) => {
          assert.equal(first.fields.redelivered, false);
          channel.nack(first);
          channel.get(queue, {}, (_e2, second) => {
            assert.equal(second.fields.redelivered, true);
            channel.ack(second);
            channel.get(queue, {}, (_e3, third) => { assert.equal(third, false); done(); });
          });
        });
      });
    });
  }));

  test('confirms call back once per message', () => withConnection((connection, done, fail) => {
    connection.createConfirmChannel((refused, channel) => {
      if (refused) return fail(refused);
      return channel.assertQueue('', { exclusive: true }, (_error, { queue }) => {
        let confirmed = 0;
        for (let i = 0; i < 100; i += 1) {
          channel.sendToQueue(queue, Buffer.from(`${i}`), {}, (nacked) => { assert.equal(nacked, null); confirmed += 1; });
        }
        channel.waitForConfirms((failed) => { assert.ok(!failed); assert.equal(confirmed, 100); done(); });
      });
    });
  }));

  test('prefetch, purge and cancel call back', () => withConnection((connection, done, fail) => {
    connection.createChannel((refused, channel) => {
      if (refused) return fail(refused);
      channel.prefetch(5);
      return channel.assertQueue('', { exclusive: true }, (_e1, { queue }) => {
        channel.consume(queue, () => undefined, {}, (_e2, { consumerTag }) => {
          channel.cancel(consumerTag, (e3) => {
            assert.equal(e3, null);
            channel.sendToQueue(queue, Buffer.from('x'));
            channel.purgeQueue(queue, (_e4, ok) => { assert.equal(ok.messageCount, 1); done(); });
          });
        });
      });
    });
  }));

  test('a missing queue is an error of the channel, not of the connection', () => withConnection((connection, done, fail) => {
    connection.createChannel((refused, channel) => {
      if (refused) return fail(refused);
      channel.on('error', (error) => {
        assert.equal(error.code, 404);
        connection.createChannel((again, other) => (again ? fail(again) : other.checkExchange('amq.direct', done)));
      });
      return channel.checkQueue(`conformance.${Date.now()}.missing`, () => undefined);
    });
  }));

  test('a refused login calls back with an error', async () => {
    const wrong = new URL(url);
    wrong.password = 'wrong';
    const error = await new Promise((resolve) => { amqp.connect(wrong.toString(), resolve); });
    assert.match(error.message, /403|ACCESS.REFUSED/i);
  });
});
