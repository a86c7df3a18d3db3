import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** The Java client's part of the round trip; see tests/clients/clients.go for the rules all clients follow. */
public class RoundTrip {
    static long total;
    static long sum;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        int count = Integer.parseInt(args[1]);
        for (int i = 2; i < args.length; i++) {
            String codec = args[i], topic = "clients-java-" + codec, group = "group-java-" + codec;
            total = 0;
            sum = 0;
            produce(bootstrap, topic, codec, count);
            consume(bootstrap, topic, group, count * 2 / 5);
            long first = total;
            consume(bootstrap, topic, group, count);
            System.out.printf("codec=%s produced=%d consumed=%d resumed=%d sum=%d%n", codec, count, first, total - first, sum);
        }
    }

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    static void produce(String bootstrap, String topic, String codec, int count) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("compression.type", codec);
        p.put("acks", "all");
        p.put("linger.ms", "10");
        AtomicReference<Exception> failed = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < count; i++) {
                ProducerRecord<byte[], byte[]> r = new ProducerRecord<>(topic, bytes("k" + i % 1000), bytes((i + ":").repeat(12)));
                r.headers().add(new RecordHeader("seq", bytes("" + i)));
                producer.send(r, (m, e) -> { if (e != null) failed.compareAndSet(null, e); });
            }
        }
        if (failed.get() != null) throw failed.get();
    }

    static void consume(String bootstrap, String topic, String group, long until) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", group);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("check.crcs", "true");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            long deadline = System.currentTimeMillis() + 60_000;
            while (total < until && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500))) {
                    CRC32 crc = new CRC32();
                    crc.update(r.key());
                    crc.update(r.value());
                    crc.update(r.headers().lastHeader("seq").value());
                    sum += crc.getValue();
                    total++;
                }
            }
            consumer.commitSync();
        }
    }
}
