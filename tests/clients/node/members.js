'use strict';
// kafkajs members of groups that do as they are told; see tests/clients/members.go for the commands and events.
const { Kafka, logLevel } = require('kafkajs');

const kafka = new Kafka({ clientId: 'interop', brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
const codecs = require('./codecs')();
const members = new Map();
const event = (member, what) => console.log(`e ${Date.now()} ${member} ${what}`);
const names = (assignment) => Object.entries(assignment).flatMap(([t, ps]) => ps.map((p) => `${t}-${p}`)).join(' ');

class Member {
  constructor(name, group, topics) {
    Object.assign(this, { name, group, topics, owned: {} });
  }

  async start() {
    await codecs; // franz-go, which fills the topics, compresses with snappy
    this.consumer = kafka.consumer({ groupId: this.group, maxWaitTimeInMs: 100, retry: { initialRetryTime: 50 } });
    const { GROUP_JOIN, REBALANCING } = this.consumer.events;
    this.consumer.on(GROUP_JOIN, ({ payload }) => {
      this.release(); // kafkajs is eager: whatever it had before is gone
      this.owned = payload.memberAssignment;
      event(this.name, `assigned ${names(this.owned)}`);
    });
    this.consumer.on(REBALANCING, () => this.release());
    await this.consumer.connect();
    await this.run();
  }

  release() {
    if (Object.keys(this.owned).length > 0) event(this.name, `revoked ${names(this.owned)}`);
    this.owned = {};
  }

  async run() {
    await this.consumer.subscribe({ topics: this.topics.split(','), fromBeginning: true });
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch, heartbeat }) => {
        const first = batch.messages[0].offset, last = batch.messages[batch.messages.length - 1].offset;
        event(this.name, `records ${batch.topic}-${batch.partition} ${first} ${last}`);
        try {
          await this.consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: (BigInt(last) + 1n).toString() }]);
        } catch (e) {
          event(this.name, `uncommitted ${e.message}`);
        }
        await heartbeat();
      },
    });
  }

  async act(words) {
    const begin = Date.now();
    switch (words[0]) {
      case 'stop':
        await this.consumer.disconnect();
        this.release();
        event(this.name, `did stop ${Date.now() - begin}`);
        return;
      case 'subscribe': // kafkajs takes a new subscription only while it does not run
        await this.consumer.stop();
        this.release();
        this.topics = words[2];
        await this.run();
        break;
      case 'commit':
        await this.consumer.commitOffsets([{ topic: this.topics.split(',')[0], partition: 0, offset: words[2] }]);
        break;
      default:
        throw new Error(words[0]);
    }
    event(this.name, `did ${words[0]} ${Date.now() - begin}`);
  }
}

const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const words = line.split(' ');
  try {
    if (words[0] === 'start') {
      members.set(words[1], new Member(words[1], words[2], words[3]));
      await members.get(words[1]).start();
    } else {
      await members.get(words[1]).act(words);
    }
  } catch (e) {
    event(words[1], `failed ${e.message}`);
  }
});
lines.on('close', async () => {
  await Promise.all([...members.values()].map((m) => m.consumer.disconnect().catch(() => {})));
  process.exit(0);
});
