// amqplib's promise API: declaring, routing, publishing, confirms, consuming, acknowledgements, errors.
'use strict';

const { test, describe, before, after, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { randomUUID } = require('node:crypto');
const amqp = require('amqplib');

const url = process.env.AMQP_URL || 'amqp://guest:guest@127.0.0.1:5672';
const unique = (label) => `conformance.${randomUUID()}.${label}`;
const DEADLINE = { timeout: 20000 };

/** Collects deliveries; `next()` resolves with each in turn. */
class Inbox {
  constructor() {
    this.ready = [];
    this.waiting = [];
    this.take = (message) => {
      const waiter = this.waiting.shift();
      if (waiter) waiter(message);
      else this.ready.push(message);
    };
  }

  next() {
    if (this.ready.length > 0) return Promise.resolve(this.ready.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async texts(count) {
    const found = [];
    for (let i = 0; i < count; i += 1) found.push((await this.next()).content.toString());
    return found;
  }
}

/** Gets until there is a message. */
async function awaitGet(channel, queue, options) {
  const deadline = Date.now() + 10000;
  for (;;) {
    const message = await channel.get(queue, options);
    if (message) return message;
    assert.ok(Date.now() < deadline, `no message in ${queue}`);
    await new Promise(setImmediate);
  }
}

/** The error that closes the channel while `action` runs. */
async function channelError(connection, action) {
  const channel = await connection.createChannel();
  const failed = once(channel, 'error');
  const outcome = Promise.resolve(action(channel)).catch(() => undefined);
  const [error] = await failed;
  await outcome;
  return error;
}

describe('promise API', DEADLINE, () => {
  let connection;
  let channel;
  let queue;

  before(async () => { connection = await amqp.connect(url); });
  after(async () => { await connection.close(); });
  beforeEach(async () => {
    channel = await connection.createChannel();
    queue = (await channel.assertQueue('', { exclusive: true })).queue;
  });
  afterEach(async () => { await channel.close().catch(() => undefined); });

  test('a connection tells the server\'s properties', async () => {
    const { serverProperties } = connection.connection;
    assert.equal(typeof serverProperties.version, 'string');
    assert.equal(serverProperties.capabilities.publisher_confirms, true);
  });

  test('assertQueue tells name and counts', async () => {
    const name = unique('queue');
    assert.deepEqual(await channel.assertQueue(name, { autoDelete: true }), { queue: name, messageCount: 0, consumerCount: 0 });
    assert.deepEqual(await channel.assertQueue(name, { autoDelete: true }), { queue: name, messageCount: 0, consumerCount: 0 });
    assert.deepEqual(await channel.deleteQueue(name), { messageCount: 0 });
  });

  test('assertQueue takes every named option', async () => {
    const name = unique('options');
    const options = { exclusive: true, messageTtl: 60000, expires: 60000, deadLetterExchange: 'amq.fanout',
      deadLetterRoutingKey: 'dead', maxLength: 10, maxPriority: 5, arguments: { 'x-overflow': 'reject-publish' } };
    await channel.assertQueue(name, options);
    await channel.assertQueue(name, options);
  });

  test('checkQueue and checkExchange find what is there', async () => {
    assert.equal((await channel.checkQueue(queue)).queue, queue);
    await channel.checkExchange('amq.topic');
  });

  test('checking what is missing closes the channel with 404', async () => {
    for (const action of [(c) => c.checkQueue(unique('missing')), (c) => c.checkExchange(unique('missing'))]) {
      const error = await channelError(connection, action);
      assert.equal(error.code, 404);
      assert.match(error.message, /NOT_FOUND/);
    }
  });

  test('asserting otherwise closes the channel with 406', async () => {
    const name = unique('queue');
    await channel.assertQueue(name, { autoDelete: true, durable: false });
    const error = await channelError(connection, (c) => c.assertQueue(name, { autoDelete: true, durable: true }));
    assert.equal(error.code, 406);
    assert.match(error.message, /PRECONDITION_FAILED.*durable/);
  });

  test('asserting an exchange as another type closes the channel with 406', async () => {
    const name = unique('exchange');
    await channel.assertExchange(name, 'direct', { autoDelete: true });
    const error = await channelError(connection, (c) => c.assertExchange(name, 'fanout', { autoDelete: true }));
    assert.equal(error.code, 406);
    await channel.deleteExchange(name);
  });

  test('a rejected call rejects its promise and those behind it', async () => {
    const doomed = await connection.createChannel();
    doomed.on('error', () => undefined);
    const results = await Promise.allSettled([doomed.checkQueue(unique('missing')), doomed.assertQueue('')]);
    assert.deepEqual(results.map((result) => result.status), ['rejected', 'rejected']);
  });

  test('sendToQueue and get round trip all properties', async () => {
    const sent = { contentType: 'text/plain', contentEncoding: 'utf-8', headers: { a: 1, b: [true, 'x', { c: null }] },
      deliveryMode: 2, priority: 3, correlationId: 'c', replyTo: 'r', expiration: '60000', messageId: 'm',
      timestamp: 1700000000, type: 't', appId: 'app' };
    channel.sendToQueue(queue, Buffer.from('body'), sent);
    const message = await channel.get(queue, { noAck: true });
    assert.equal(message.content.toString(), 'body');
    assert.equal(message.fields.routingKey, queue);
    for (const [key, value] of Object.entries(sent)) assert.deepEqual(message.properties[key], value, key);
  });

  test('get of an empty queue is false', async () => {
    assert.equal(await channel.get(queue), false);
  });

  test('header values of amqplib\'s own types survive', async () => {
    const headers = {
      small: 1, negative: -40000, large: 2 ** 40, float: 1.5, yes: true, nothing: null,
      bytes: Buffer.from([0, 1, 255]), time: { '!': 'timestamp', value: 1700000000 }, list: [1, 'two', [3]],
      decimal: { '!': 'decimal', value: { places: 2, digits: 1234 } }, nested: { deep: { deeper: 'x' } },
    };
    channel.sendToQueue(queue, Buffer.alloc(0), { headers });
    const got = (await channel.get(queue, { noAck: true })).properties.headers;
    assert.deepEqual(got, headers);
  });

  for (const [type, bound, sent, expected] of [
    ['direct', 'a', ['a', 'b'], ['a']],
    ['fanout', '', ['a', 'b'], ['a', 'b']],
    ['topic', 'log.#', ['log', 'log.a.b', 'x.log'], ['log', 'log.a.b']],
  ]) {
    test(`a ${type} exchange routes`, async () => {
      const exchange = unique(type);
      await channel.assertExchange(exchange, type, { autoDelete: true });
      await channel.bindQueue(queue, exchange, bound);
      for (const key of sent) channel.publish(exchange, key, Buffer.from(key));
      const inbox = new Inbox();
      await channel.consume(queue, inbox.take, { noAck: true });
      assert.deepEqual(await inbox.texts(expected.length), expected);
      await channel.unbindQueue(queue, exchange, bound);
    });
  }

  test('a headers exchange routes', async () => {
    const exchange = unique('headers');
    await channel.assertExchange(exchange, 'headers', { autoDelete: true });
    await channel.bindQueue(queue, exchange, '', { 'x-match': 'any', colour: 'red', size: 3 });
    channel.publish(exchange, '', Buffer.from('no'), { headers: { colour: 'blue' } });
    channel.publish(exchange, '', Buffer.from('yes'), { headers: { size: 3 } });
    assert.equal((await awaitGet(channel, queue, { noAck: true })).content.toString(), 'yes');
  });

  test('exchanges are bound to exchanges', async () => {
    const [source, destination] = [unique('source'), unique('destination')];
    await channel.assertExchange(source, 'direct', { autoDelete: true });
    await channel.assertExchange(destination, 'fanout', { autoDelete: true });
    await channel.bindQueue(queue, destination, '');
    await channel.bindExchange(destination, source, 'key');
    channel.publish(source, 'key', Buffer.from('through'));
    assert.equal((await awaitGet(channel, queue, { noAck: true })).content.toString(), 'through');
    await channel.unbindExchange(destination, source, 'key');
  });

  test('an alternate exchange catches the unroutable', async () => {
    const exchange = unique('main');
    const spare = unique('spare');
    await channel.assertExchange(spare, 'fanout', { autoDelete: true });
    await channel.bindQueue(queue, spare, '');
    await channel.assertExchange(exchange, 'direct', { alternateExchange: spare });
    channel.publish(exchange, 'nowhere', Buffer.from('caught'));
    assert.equal((await awaitGet(channel, queue, { noAck: true })).content.toString(), 'caught');
    await channel.deleteExchange(exchange);
  });

  test('a mandatory unroutable message is returned', async () => {
    const returned = once(channel, 'return');
    channel.publish('', unique('nowhere'), Buffer.from('back'), { mandatory: true });
    const [message] = await returned;
    assert.equal(message.fields.replyCode, 312);
    assert.equal(message.content.toString(), 'back');
  });

  test('prefetch limits and ack frees', async () => {
    await channel.prefetch(1);
    const inbox = new Inbox();
    for (const text of ['a', 'b']) channel.sendToQueue(queue, Buffer.from(text));
    await channel.consume(queue, inbox.take);
    const first = await inbox.next();
    await channel.checkExchange('amq.direct');
    assert.equal(inbox.ready.length, 0);
    channel.ack(first);
    assert.equal((await inbox.next()).content.toString(), 'b');
  });

  test('nack requeues as redelivered, reject drops', async () => {
    channel.sendToQueue(queue, Buffer.from('again'));
    channel.nack(await awaitGet(channel, queue));
    const second = await awaitGet(channel, queue);
    assert.equal(second.fields.redelivered, true);
    channel.reject(second, false);
    assert.equal(await channel.get(queue), false);
  });

  test('ackAll and nackAll reach every message', async () => {
    for (const text of ['a', 'b', 'c', 'd']) channel.sendToQueue(queue, Buffer.from(text));
    await awaitGet(channel, queue);
    await awaitGet(channel, queue);
    channel.ackAll();
    await awaitGet(channel, queue);
    channel.nackAll();
    const inbox = new Inbox();
    await channel.consume(queue, inbox.take, { noAck: true });
    assert.deepEqual(await inbox.texts(2), ['c', 'd']);
  });

  test('recover brings unacked messages again', async () => {
    channel.sendToQueue(queue, Buffer.from('again'));
    const inbox = new Inbox();
    await channel.consume(queue, inbox.take);
    await inbox.next();
    await channel.recover();
    assert.equal((await inbox.next()).fields.redelivered, true);
  });

  test('acknowledging twice closes the channel with 406', async () => {
    channel.sendToQueue(queue, Buffer.from('x'));
    const error = await channelError(connection, async (other) => {
      const message = await awaitGet(other, queue);
      other.ack(message);
      other.ack(message);
    });
    assert.equal(error.code, 406);
    assert.match(error.message, /unknown delivery tag/);
  });

  test('cancel stops deliveries', async () => {
    const inbox = new Inbox();
    const { consumerTag } = await channel.consume(queue, inbox.take, { noAck: true });
    channel.sendToQueue(queue, Buffer.from('before'));
    await inbox.next();
    await channel.cancel(consumerTag);
    channel.sendToQueue(queue, Buffer.from('after'));
    assert.equal((await awaitGet(channel, queue, { noAck: true })).content.toString(), 'after');
    assert.equal(inbox.ready.length, 0);
  });

  test('a consumer of a deleted queue gets null', async () => {
    const name = unique('deleted');
    await channel.assertQueue(name, { durable: false });
    const inbox = new Inbox();
    await channel.consume(name, inbox.take);
    await channel.deleteQueue(name);
    assert.equal(await inbox.next(), null);
  });

  test('a consumer priority decides who is served', async () => {
    const [low, high] = [new Inbox(), new Inbox()];
    await channel.consume(queue, low.take, { noAck: true, priority: 1 });
    await channel.consume(queue, high.take, { noAck: true, priority: 9 });
    channel.sendToQueue(queue, Buffer.from('x'));
    await high.next();
    assert.equal(low.ready.length, 0);
  });

  test('purgeQueue tells how many went', async () => {
    for (let i = 0; i < 3; i += 1) channel.sendToQueue(queue, Buffer.from('x'));
    assert.deepEqual(await channel.purgeQueue(queue), { messageCount: 3 });
  });

  test('dead letters carry x-death', async () => {
    const source = (await channel.assertQueue('', { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: queue })).queue;
    channel.sendToQueue(source, Buffer.from('bad'));
    channel.nack(await awaitGet(channel, source), false, false);
    const [death] = (await awaitGet(channel, queue, { noAck: true })).properties.headers['x-death'];
    assert.deepEqual([death.queue, death.reason, death.count], [source, 'rejected', 1]);
  });

  test('direct reply-to answers a request', async () => {
    const answers = new Inbox();
    await channel.consume('amq.rabbitmq.reply-to', answers.take, { noAck: true });
    await channel.consume(queue, (message) => {
      channel.sendToQueue(message.properties.replyTo, Buffer.from(`${message.content} answered`));
    }, { noAck: true });
    channel.sendToQueue(queue, Buffer.from('question'), { replyTo: 'amq.rabbitmq.reply-to' });
    assert.deepEqual(await answers.texts(1), ['question answered']);
  });

  test('a large body is split and joined', async () => {
    const body = Buffer.alloc(2000000, 'chaski');
    channel.sendToQueue(queue, body);
    assert.ok((await awaitGet(channel, queue, { noAck: true })).content.equals(body));
  });

  test('publishing to a missing exchange closes the channel with 404', async () => {
    const error = await channelError(connection, (c) => c.publish(unique('missing'), 'key', Buffer.from('x')));
    assert.equal(error.code, 404);
  });

  test('a closed channel refuses operations', async () => {
    const other = await connection.createChannel();
    await other.close();
    assert.throws(() => other.sendToQueue(queue, Buffer.from('x')), /closed/i);
  });

  test('the other channels survive a channel error', async () => {
    await channelError(connection, (c) => c.checkQueue(unique('missing')));
    assert.equal((await channel.checkQueue(queue)).queue, queue);
  });
});

describe('confirm channels', DEADLINE, () => {
  let connection;
  let channel;

  before(async () => { connection = await amqp.connect(url); });
  after(async () => { await connection.close(); });
  beforeEach(async () => { channel = await connection.createConfirmChannel(); });
  afterEach(async () => { await channel.close(); });

  test('waitForConfirms resolves when all are confirmed', async () => {
    const name = unique('durable');
    await channel.assertQueue(name, { durable: true });
    let confirmed = 0;
    for (let i = 0; i < 1000; i += 1) {
      channel.sendToQueue(name, Buffer.from(`${i}`), { persistent: true }, (error) => { if (!error) confirmed += 1; });
    }
    await channel.waitForConfirms();
    assert.equal(confirmed, 1000);
    assert.deepEqual(await channel.deleteQueue(name), { messageCount: 1000 });
  });

  test('a nack reaches the publisher', async () => {
    const { queue } = await channel.assertQueue('', { exclusive: true, maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
    const outcomes = [];
    for (let i = 0; i < 2; i += 1) channel.sendToQueue(queue, Buffer.from('x'), {}, (error) => outcomes.push(error === null));
    await channel.waitForConfirms().catch(() => undefined);
    assert.deepEqual(outcomes, [true, false]);
  });
});

describe('connections', DEADLINE, () => {
  test('a wrong password is refused with 403', async () => {
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await assert.rejects(amqp.connect(wrong.toString()), /403|ACCESS.REFUSED/i);
  });

  test('an unknown vhost is refused', async () => {
    const wrong = new URL(url);
    wrong.pathname = '/no-such-vhost';
    await assert.rejects(amqp.connect(wrong.toString()));
  });

  test('closing a connection requeues what is unacked', async () => {
    const [first, second] = await Promise.all([amqp.connect(url), amqp.connect(url)]);
    const name = unique('requeue');
    const channel = await first.createChannel();
    await channel.assertQueue(name, { durable: false });
    channel.sendToQueue(name, Buffer.from('x'));
    await awaitGet(channel, name);
    await first.close();
    const other = await second.createChannel();
    assert.equal((await awaitGet(other, name, { noAck: true })).fields.redelivered, true);
    await other.deleteQueue(name);
    await second.close();
  });

  test('an exclusive queue is locked for others with 405', async () => {
    const [first, second] = await Promise.all([amqp.connect(url), amqp.connect(url)]);
    const { queue } = await (await first.createChannel()).assertQueue('', { exclusive: true });
    const error = await channelError(second, (c) => c.checkQueue(queue));
    assert.equal(error.code, 405);
    await Promise.all([first.close(), second.close()]);
  });

  test('heartbeats of one second keep an idle connection', async () => {
    const connection = await amqp.connect(`${url}?heartbeat=1`);
    const failed = [];
    connection.on('error', (error) => failed.push(error));
    await new Promise((resolve) => { setTimeout(resolve, 3500); });
    await (await connection.createChannel()).checkExchange('amq.direct');
    assert.deepEqual(failed, []);
    await connection.close();
  });

  test('many channels work beside each other', async () => {
    const connection = await amqp.connect(url);
    const channels = await Promise.all(Array.from({ length: 100 }, () => connection.createChannel()));
    const queues = await Promise.all(channels.map((channel) => channel.assertQueue('', { exclusive: true })));
    channels.forEach((channel, i) => channel.sendToQueue(queues[i].queue, Buffer.from(`${i}`)));
    const got = await Promise.all(channels.map((channel, i) => awaitGet(channel, queues[i].queue, { noAck: true })));
    assert.deepEqual(got.map((message) => message.content.toString()), channels.map((_, i) => `${i}`));
    await connection.close();
  });
});
