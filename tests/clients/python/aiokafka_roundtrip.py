"""aiokafka; see tests/clients/clients.go for the rules all clients follow."""
import asyncio
import sys
import time
import zlib

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def produce(bootstrap, topic, codec, count):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                                acks="all", enable_idempotence=True, linger_ms=10, max_batch_size=256 << 10) as producer:
        sent = []
        for i in range(count):
            sent.append(await producer.send(topic, key=b"k%d" % (i % 1000), value=b"%d:" % i * 12, headers=[("seq", b"%d" % i)]))
        await asyncio.gather(*sent)


async def consume(bootstrap, topic, group, state, until):
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                                enable_auto_commit=False, check_crcs=True) as consumer:
        deadline = time.monotonic() + 60
        while state["total"] < until and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for r in records:
                    state["sum"] += zlib.crc32(r.headers[0][1], zlib.crc32(r.value, zlib.crc32(r.key)))
                    state["total"] += 1
        await consumer.commit()


async def main():
    bootstrap, count = sys.argv[1], int(sys.argv[2])
    for codec in sys.argv[3:]:
        topic, group, state = f"clients-aiokafka-{codec}", f"group-aiokafka-{codec}", {"total": 0, "sum": 0}
        await produce(bootstrap, topic, codec, count)
        await consume(bootstrap, topic, group, state, count * 2 // 5)
        first = state["total"]
        await consume(bootstrap, topic, group, state, count)
        print(f"codec={codec} produced={count} consumed={first} resumed={state['total'] - first} sum={state['sum']}", flush=True)


asyncio.run(main())
