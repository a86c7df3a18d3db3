"""librdkafka members of groups that do as they are told; see tests/clients/members.go for the commands and events."""
import queue
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException

lock = threading.Lock()
members = {}


def event(member, what):
    with lock:
        print("e", int(time.time() * 1000), member, what, flush=True)


def names(partitions):
    return " ".join(f"{p.topic}-{p.partition}" for p in partitions)


class Member(threading.Thread):
    def __init__(self, name, bootstrap, group, topics, *config):
        super().__init__()
        self.name_, self.topics, self.todo = name, topics, queue.Queue()
        self.config = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                       "enable.auto.commit": False, "fetch.wait.max.ms": 100, **dict(kv.split("=", 1) for kv in config)}

    def run(self):
        try:
            self.consumer = Consumer(self.config)
            self.subscribe()
            while self.act():
                self.consume()
        except Exception as e:  # told to whoever waits for events
            event(self.name_, "failed " + str(e).replace("\n", " "))

    def subscribe(self):
        revoked = lambda _, ps: event(self.name_, "revoked " + names(ps))
        self.consumer.subscribe(self.topics.split(","), on_assign=lambda _, ps: event(self.name_, "assigned " + names(ps)),
                                on_revoke=revoked, on_lost=revoked)

    def act(self):
        try:
            words = self.todo.get_nowait()
        except queue.Empty:
            return True
        begin = time.monotonic()
        if words[0] == "stop":
            self.consumer.close()
        elif words[0] == "subscribe":
            self.topics = words[2]
            self.subscribe()
        elif words[0] == "unsubscribe":
            self.consumer.unsubscribe()
        elif words[0] == "commit":
            mine = self.consumer.assignment()
            read = [p for p in self.consumer.position(mine) if p.offset >= 0]  # of what was read since it was assigned
            self.consumer.commit(offsets=read or self.consumer.committed(mine, timeout=10), asynchronous=False)
        else:
            raise ValueError(words[0])
        event(self.name_, f"did {words[0]} {int((time.monotonic() - begin) * 1000)}")
        return words[0] != "stop"

    def consume(self):
        ranges = {}
        for m in self.consumer.consume(50, timeout=0.02):
            if m.error():
                event(self.name_, "error " + str(m.error()))
                continue
            first, _ = ranges.get((m.topic(), m.partition()), (m.offset(), 0))
            ranges[(m.topic(), m.partition())] = (first, m.offset())
        for (t, p), (first, last) in ranges.items():
            event(self.name_, f"records {t}-{p} {first} {last}")
        if ranges:
            try:
                self.consumer.commit(asynchronous=False)
            except KafkaException as e:  # a rebalance came between: the next owner reads them again
                event(self.name_, "uncommitted " + str(e).replace("\n", " "))


for line in sys.stdin:
    words = line.split()
    if words[0] == "start":
        members[words[1]] = Member(words[1], sys.argv[1], *words[2:])
        members[words[1]].start()
    else:
        members[words[1]].todo.put(words)
for m in members.values():
    m.todo.put(["stop"])
for m in members.values():
    m.join()
