'use strict';
// kafkajs and @confluentinc/kafka-javascript: the second offers the first's
// interface, so one program serves both.
// usage: roundtrip.js kafkajs|confluent-javascript BOOTSTRAP COUNT CODEC...
// See tests/clients/clients.go for the rules all clients follow.
const crc = require('./crc');

const [flavour, bootstrap, countArg, ...codecs] = process.argv.slice(2);
const count = Number(countArg);
const names = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' };

function kafkajs() {
  const { Kafka, CompressionTypes, logLevel } = require('kafkajs');
  const kafka = new Kafka({ clientId: 'interop', brokers: [bootstrap], logLevel: logLevel.ERROR });
  return {
    producer: () => kafka.producer({ idempotent: true, maxInFlightRequests: 1 }),
    consumer: (groupId) => kafka.consumer({ groupId, maxWaitTimeInMs: 200 }),
    subscribe: { fromBeginning: true },
    run: { autoCommit: false },
    send: (topic, codec, messages) => ({ topic, messages, acks: -1, compression: CompressionTypes[names[codec]] }),
  };
}

function confluent() {
  const { Kafka, logLevel } = require('@confluentinc/kafka-javascript').KafkaJS;
  const kafka = new Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: logLevel.ERROR } });
  return {
    producer: (codec) => kafka.producer({ 'compression.type': codec, 'enable.idempotence': true, 'linger.ms': 10, acks: -1 }),
    consumer: (groupId) => kafka.consumer({ kafkaJS: { groupId, fromBeginning: true, autoCommit: false } }),
    subscribe: {},
    run: {},
    send: (topic, codec, messages) => ({ topic, messages }),
  };
}

const message = (i) => ({ key: `k${i % 1000}`, value: `${i}:`.repeat(12), headers: { seq: String(i) } });

async function produce(client, topic, codec) {
  const producer = client.producer(codec);
  await producer.connect();
  for (let i = 0; i < count; i += 5000) {
    const messages = Array.from({ length: Math.min(5000, count - i) }, (_, k) => message(i + k));
    await producer.send(client.send(topic, codec, messages));
  }
  await producer.disconnect();
}

const seq = (headers) => Buffer.from(Array.isArray(headers.seq) ? headers.seq[0] : headers.seq);

// consume reads until state.total reaches at least `until`, commits exactly what it has counted and leaves the group.
async function consume(client, topic, group, state, until) {
  const consumer = client.consumer(group);
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], ...client.subscribe });
  const positions = new Map();
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${topic}: ${state.total} of ${until} records after 60 s`)), 60000);
    const finish = () => { clearTimeout(timer); resolve(); };
    consumer.run({
      ...client.run,
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch }) => {
        for (const m of batch.messages) {
          if (state.total >= until) return finish();
          state.sum += crc(m.key, m.value, seq(m.headers));
          state.total++;
          positions.set(batch.partition, (BigInt(m.offset) + 1n).toString());
        }
        if (state.total >= until) finish();
      },
    }).catch(reject);
  });
  await consumer.commitOffsets([...positions].map(([partition, offset]) => ({ topic, partition, offset })));
  await consumer.disconnect();
}

async function main() {
  if (flavour === 'kafkajs') await require('./codecs')();
  const client = flavour === 'kafkajs' ? kafkajs() : confluent();
  for (const codec of codecs) {
    const topic = `clients-${flavour}-${codec}`, group = `group-${flavour}-${codec}`, state = { total: 0, sum: 0 };
    await produce(client, topic, codec);
    await consume(client, topic, group, state, Math.floor(count * 2 / 5));
    const first = state.total;
    await consume(client, topic, group, state, count);
    console.log(`codec=${codec} produced=${count} consumed=${first} resumed=${state.total - first} sum=${state.sum}`);
  }
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
