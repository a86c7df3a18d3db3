import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Members of groups that do as they are told on standard input; see tests/clients/members.go for the commands and events. */
public class GroupMembers {
    static final PrintStream out = System.out;
    static final Map<String, Member> members = new ConcurrentHashMap<>();

    static synchronized void event(String member, String what) {
        out.printf("e %d %s %s%n", System.currentTimeMillis(), member, what);
        out.flush();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] w = line.split(" ");
            if (w[0].equals("start")) {
                Member m = new Member(w[1], args[0], w);
                members.put(w[1], m);
                m.start();
            } else {
                members.get(w[1]).todo.add(w);
            }
        }
        for (Member m : members.values()) m.todo.add(new String[] {"stop"});
        for (Member m : members.values()) m.join();
    }

    static class Member extends Thread implements ConsumerRebalanceListener {
        final String name;
        final BlockingQueue<String[]> todo = new LinkedBlockingQueue<>();
        final Properties config = new Properties();
        String topics;
        boolean idle;
        KafkaConsumer<byte[], byte[]> consumer;

        Member(String name, String bootstrap, String[] words) {
            this.name = name;
            config.put("bootstrap.servers", bootstrap);
            config.put("group.id", words[2]);
            config.put("auto.offset.reset", "earliest");
            config.put("enable.auto.commit", "false");
            config.put("max.poll.records", "50");
            topics = words[3];
            for (int i = 4; i < words.length; i++) {
                String[] kv = words[i].split("=", 2);
                config.put(kv[0], kv[1]);
            }
        }

        public void run() {
            try {
                consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
                subscribe();
                while (act(todo.poll())) consume();
            } catch (Exception e) {
                event(name, "failed " + e.toString().replace('\n', ' '));
            }
        }

        void subscribe() {
            idle = false;
            if (!topics.startsWith("^")) consumer.subscribe(List.of(topics.split(",")), this);
            else if ("consumer".equals(config.get("group.protocol"))) consumer.subscribe(new SubscriptionPattern(topics), this);
            else consumer.subscribe(Pattern.compile(topics), this);
        }

        boolean act(String[] w) {
            if (w == null) return true;
            long begin = System.currentTimeMillis();
            switch (w[0]) {
                case "stop":
                    consumer.close();
                    event(name, "did stop " + (System.currentTimeMillis() - begin));
                    return false;
                case "subscribe":
                    topics = w[2];
                    subscribe();
                    break;
                case "unsubscribe":
                    consumer.unsubscribe();
                    idle = true;
                    break;
                case "commit":
                    consumer.commitSync();
                    break;
                default:
                    throw new IllegalArgumentException(w[0]);
            }
            event(name, "did " + w[0] + " " + (System.currentTimeMillis() - begin));
            return true;
        }

        void consume() throws InterruptedException {
            if (idle) {
                Thread.sleep(10);
                return;
            }
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(20));
            for (TopicPartition tp : records.partitions()) {
                List<ConsumerRecord<byte[], byte[]>> of = records.records(tp);
                event(name, "records " + tp + " " + of.get(0).offset() + " " + of.get(of.size() - 1).offset());
            }
            if (!records.isEmpty()) consumer.commitSync();
        }

        String names(Collection<TopicPartition> partitions) {
            return partitions.stream().map(TopicPartition::toString).collect(Collectors.joining(" "));
        }

        public void onPartitionsAssigned(Collection<TopicPartition> partitions) { event(name, "assigned " + names(partitions)); }

        public void onPartitionsRevoked(Collection<TopicPartition> partitions) { event(name, "revoked " + names(partitions)); }

        public void onPartitionsLost(Collection<TopicPartition> partitions) { event(name, "revoked " + names(partitions)); }
    }
}
