// Writes batches.golden (protocol/batch/testdata): record batches as Apache Kafka builds them, each with what Kafka reads
// in it. Run as GoldenRecords is.
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;

public class GoldenBatches {
    static final int SHOWN = 8; // records of each batch
    static final long TIME = 1700000000000L;

    static PrintStream out;

    static String hex(ByteBuffer b) {
        byte[] bytes = new byte[b.remaining()];
        b.duplicate().get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    static String show(ByteBuffer b) {
        if (b == null) return "null";
        if (b.remaining() == 0) return "empty";
        if (b.remaining() <= 100) return hex(b);
        CRC32C crc = new CRC32C();
        crc.update(b.duplicate());
        return "bytes[" + b.remaining() + "]:" + Long.toHexString(crc.getValue());
    }

    static void write(String name, MemoryRecords records) {
        out.println("batch " + name + " " + hex(records.buffer()));
        for (MutableRecordBatch b : records.batches()) {
            out.printf("head base=%d last=%d epoch=%d codec=%s type=%s txn=%b control=%b pid=%d pepoch=%d seq=%d lastseq=%d count=%d max=%d%n",
                b.baseOffset(), b.lastOffset(), b.partitionLeaderEpoch(), b.compressionType().name, b.timestampType().name,
                b.isTransactional(), b.isControlBatch(), b.producerId(), b.producerEpoch(), b.baseSequence(), b.lastSequence(),
                b.countOrNull(), b.maxTimestamp());
            int shown = 0;
            for (Record r : b) {
                if (shown++ >= SHOWN) break;
                StringBuilder headers = new StringBuilder();
                for (Header h : r.headers())
                    headers.append(" ").append(h.key()).append("=").append(show(h.value() == null ? null : ByteBuffer.wrap(h.value())));
                out.printf("record %d %d %s %s%s%n", r.offset(), r.timestamp(), show(r.key()), show(r.value()), headers);
            }
        }
    }

    static MemoryRecordsBuilder builder(Compression c, TimestampType t, long base, long append, long pid, int pepoch, int seq, boolean txn, int epoch) {
        return MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, c, t, base, append, pid, (short) pepoch, seq, txn, epoch);
    }

    /** Nulls, empties, headers, timestamps out of order. */
    static MemoryRecords small(MemoryRecordsBuilder b) {
        Header[] headers = {new RecordHeader("h1", "x".getBytes()), new RecordHeader("h2", (byte[]) null), new RecordHeader("", new byte[0])};
        b.append(TIME, "key".getBytes(), "value".getBytes(), new Header[0]);
        b.append(TIME + 500, (byte[]) null, "v".getBytes(), new Header[0]);
        b.append(TIME - 1000, "k2".getBytes(), (byte[]) null, headers);
        b.append(TIME + 100000, new byte[0], new byte[0], new Header[0]);
        return b.build();
    }

    static MemoryRecords many(MemoryRecordsBuilder b) {
        for (int i = 0; i < 200; i++)
            b.append(TIME + i, ("key-" + i % 7).getBytes(), ("value number " + i + " of a batch that compresses well").getBytes(), new Header[0]);
        return b.build();
    }

    /** More than one block of the codec. */
    static MemoryRecords blocks(MemoryRecordsBuilder b, int size) {
        byte[] value = new byte[size];
        for (int i = 0; i < size; i++) value[i] = (byte) (i / 64);
        b.append(TIME, "big".getBytes(), value, new Header[0]);
        return b.build();
    }

    static MemoryRecordsBuilder plain(Compression c) {
        return builder(c, TimestampType.CREATE_TIME, 5, -1, -1, -1, -1, false, 1);
    }

    static void codec(String name, Compression c) {
        write(name + "-small", small(builder(c, TimestampType.CREATE_TIME, 5, -1, 1, 0, 0, false, 1)));
        write(name + "-many", many(plain(c)));
    }

    static void control() {
        write("commit", MemoryRecords.withEndTransactionMarker(10, TIME, 3, 4000, (short) 2, new EndTransactionMarker(ControlRecordType.COMMIT, 17)));
        write("abort", MemoryRecords.withEndTransactionMarker(11, TIME, 3, 4000, (short) 2, new EndTransactionMarker(ControlRecordType.ABORT, 18)));
        LeaderChangeMessage.Voter one = new LeaderChangeMessage.Voter().setVoterId(1), two = new LeaderChangeMessage.Voter().setVoterId(2);
        write("leader-change", MemoryRecords.withLeaderChangeMessage(3, TIME, 7, ByteBuffer.allocate(512),
            new LeaderChangeMessage().setLeaderId(1).setVoters(List.of(one, two)).setGrantingVoters(List.of(one.duplicate()))));
        write("snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0, TIME, 1, ByteBuffer.allocate(256),
            new SnapshotHeaderRecord().setLastContainedLogTimestamp(TIME - 1)));
        write("snapshot-footer", MemoryRecords.withSnapshotFooterRecord(9, TIME, 1, ByteBuffer.allocate(256), new SnapshotFooterRecord()));
        write("kraft-version", MemoryRecords.withKRaftVersionRecord(1, TIME, 1, ByteBuffer.allocate(256),
            new KRaftVersionRecord().setKRaftVersion((short) 1)));
        VotersRecord.Endpoint endpoint = new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(9093);
        write("voters", MemoryRecords.withVotersRecord(2, TIME, 1, ByteBuffer.allocate(512), new VotersRecord().setVoters(List.of(
            new VotersRecord.Voter().setVoterId(1).setVoterDirectoryId(new Uuid(5, 6))
                .setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature().setMaxSupportedVersion((short) 1))
                .setEndpoints(new VotersRecord.EndpointCollection(List.of(endpoint).iterator()))))));
    }

    public static void main(String[] args) throws Exception {
        out = new PrintStream(args[0] + "/batches.golden");
        write("plain", small(builder(Compression.NONE, TimestampType.CREATE_TIME, 0, -1, -1, -1, -1, false, 0)));
        write("append-time", small(builder(Compression.NONE, TimestampType.LOG_APPEND_TIME, 1234567890123L, TIME + 9999, -1, -1, -1, false, 42)));
        write("transactional", small(builder(Compression.NONE, TimestampType.CREATE_TIME, 77, -1, 9000, 3, 2147483646, true, 5)));
        codec("gzip", Compression.gzip().build());
        codec("gzip-9", Compression.gzip().level(9).build());
        codec("snappy", Compression.snappy().build());
        codec("lz4", Compression.lz4().build());
        codec("lz4-17", Compression.lz4().level(17).build());
        codec("zstd", Compression.zstd().build());
        codec("zstd-19", Compression.zstd().level(19).build());
        codec("zstd--5", Compression.zstd().level(-5).build());
        write("snappy-blocks", blocks(plain(Compression.snappy().build()), 100000));
        write("lz4-blocks", blocks(plain(Compression.lz4().build()), 200000));
        control();
        out.close();
    }
}
