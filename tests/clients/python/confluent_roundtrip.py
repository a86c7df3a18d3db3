"""librdkafka through confluent-kafka; see tests/clients/clients.go for the rules all clients follow."""
import sys
import time
import zlib

from confluent_kafka import Consumer, Producer


def produce(bootstrap, topic, codec, count):
    failed = []
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "acks": "all",
                         "enable.idempotence": True, "linger.ms": 10, "queue.buffering.max.messages": count + 1})
    for i in range(count):
        producer.produce(topic, key=f"k{i % 1000}", value=f"{i}:" * 12, headers={"seq": str(i)},
                         on_delivery=lambda err, _: failed.append(err) if err else None)
        if i % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    if left or failed:
        sys.exit(f"{topic}: {left} not delivered, {len(failed)} failed, first {failed[:1]}")


def consume(bootstrap, topic, group, state, until):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "enable.auto.offset.store": True, "check.crcs": True})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 60
    while state["total"] < until and time.monotonic() < deadline:
        for m in consumer.consume(1000, timeout=0.5):
            if m.error():
                sys.exit(f"{topic}: {m.error()}")
            state["sum"] += zlib.crc32(m.headers()[0][1], zlib.crc32(m.value(), zlib.crc32(m.key())))
            state["total"] += 1
    consumer.commit(asynchronous=False)
    consumer.close()


def main():
    bootstrap, count = sys.argv[1], int(sys.argv[2])
    for codec in sys.argv[3:]:
        topic, group, state = f"clients-confluent-python-{codec}", f"group-confluent-python-{codec}", {"total": 0, "sum": 0}
        produce(bootstrap, topic, codec, count)
        consume(bootstrap, topic, group, state, count * 2 // 5)
        first = state["total"]
        consume(bootstrap, topic, group, state, count)
        print(f"codec={codec} produced={count} consumed={first} resumed={state['total'] - first} sum={state['sum']}", flush=True)


main()
