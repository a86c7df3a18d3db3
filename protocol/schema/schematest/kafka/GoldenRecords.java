// Writes the golden files of every record and version with Apache Kafka's own serializers. With the jars of a Kafka
// release in $KAFKA/libs:
//
//   javac -cp "$KAFKA/libs/*" -d /tmp/golden GoldenRecords.java
//   java -cp "$KAFKA/libs/*:/tmp/golden" GoldenRecords FOLDER
//
// The output is metadata.golden (controller/records/testdata), groups.golden (groupcoord/records/testdata) and
// control.golden (protocol/batch/testdata).
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.function.BiFunction;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.metadata.MetadataJsonConverters;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.coordinator.group.generated.CoordinatorRecordJsonConverters;
import org.apache.kafka.coordinator.group.generated.CoordinatorRecordType;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class GoldenRecords {
    // Variants of every record and version.
    static final int SMALLEST = 0, FILLED = 1, LONGER = 2;

    static int variant;
    static int counter; // makes every value another
    static int depth;   // of nested lists and structs

    static ByteBuffer serialize(Message m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(b), cache, version);
        return b.flip();
    }

    static Message fresh(Message m) throws Exception {
        return m.getClass().getDeclaredConstructor().newInstance();
    }

    /** A value of type t, different each time. */
    static Object value(Type t, short version) throws Exception {
        counter++;
        if (t == boolean.class) return counter % 2 == 0;
        if (t == byte.class) return (byte) (counter % 120);
        if (t == short.class || t == Short.class) return (short) (counter * 7);
        if (t == int.class || t == Integer.class) return counter * 1001;
        if (t == long.class) return counter * 1000000007L;
        if (t == double.class) return counter * 1.5;
        if (t == Uuid.class) return new Uuid(counter * 1000003L, counter * 77L);
        if (t == byte[].class) return ("bytes-" + counter).getBytes();
        if (t == String.class) return "text-" + counter + (variant == LONGER && counter % 9 == 0 ? "x".repeat(130) : "");
        if (t instanceof ParameterizedType p) return list(p.getActualTypeArguments()[0], version);
        Class<?> c = (Class<?>) t;
        if (Collection.class.isAssignableFrom(c)) return collection(c, version);
        Message m = (Message) c.getDeclaredConstructor().newInstance();
        depth++;
        fill(m, version);
        depth--;
        return m;
    }

    static List<Object> list(Type element, short version) throws Exception {
        boolean struct = element instanceof Class<?> c && Message.class.isAssignableFrom(c);
        int n = variant == LONGER && depth == 0 && !struct ? 18 : 2;
        List<Object> out = new ArrayList<>();
        depth++;
        for (int i = 0; i < n; i++) out.add(value(element, version));
        depth--;
        return out;
    }

    /** Generated collections that are also maps say their element's type in their superclass. */
    @SuppressWarnings("unchecked")
    static Object collection(Class<?> c, short version) throws Exception {
        Collection<Object> out = (Collection<Object>) c.getDeclaredConstructor().newInstance();
        Type element = ((ParameterizedType) c.getGenericSuperclass()).getActualTypeArguments()[0];
        for (int i = 0; i < 2; i++) out.add(value(element, version));
        return out;
    }

    interface Source {
        Object get(Method setter, String field) throws Exception;
    }

    /** Sets every field of m that the version can say to what source has. */
    static void set(Message m, short version, Source source) throws Exception {
        Message defaults = fresh(m);
        Method[] methods = m.getClass().getMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName));
        for (Method setter : methods) {
            String name = setter.getName();
            if (!name.startsWith("set") || setter.getParameterCount() != 1 || name.equals("setNext") || name.equals("setPrev")) continue;
            if (source == NULLS && setter.getParameterTypes()[0].isPrimitive()) continue;
            String field = Character.toLowerCase(name.charAt(3)) + name.substring(4);
            Method getter = m.getClass().getMethod(field);
            try {
                setter.invoke(m, source.get(setter, field));
                serialize(m, version);
            } catch (InvocationTargetException | UnsupportedVersionException | NullPointerException e) {
                setter.invoke(m, getter.invoke(defaults));
            }
        }
    }

    static final Source NULLS = (setter, field) -> null;

    static void fill(Message m, short version) throws Exception {
        set(m, version, (setter, field) -> {
            Object v = value(setter.getGenericParameterTypes()[0], version);
            if (field.equals("version")) return version;
            return field.equals("port") ? (Object) (9092 + counter) : v;
        });
    }

    static void write(PrintStream out, Message proto, BiFunction<Message, Short, Object> json,
                      BiFunction<Message, Short, ByteBuffer> frame) throws Exception {
        for (short v = proto.lowestSupportedVersion(); v <= proto.highestSupportedVersion(); v++) {
            for (variant = SMALLEST; variant <= LONGER; variant++) {
                counter = v * 10;
                Message m = fresh(proto);
                if (variant == SMALLEST) set(m, v, NULLS);
                else fill(m, v);
                Message back = fresh(proto);
                back.read(new ByteBufferAccessor(serialize(m, v)), v);
                ByteBuffer framed = frame.apply(m, v);
                byte[] bytes = new byte[framed.remaining()];
                framed.get(bytes);
                out.println(proto.getClass().getSimpleName() + " " + v + " " + HexFormat.of().formatHex(bytes) + " "
                    + (variant == LONGER ? "-" : json.apply(back, v)));
            }
        }
    }

    static ByteBuffer metadataFrame(Message m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ApiMessageAndVersion r = new ApiMessageAndVersion((ApiMessage) m, version);
        ByteBuffer b = ByteBuffer.allocate(MetadataRecordSerde.INSTANCE.recordSize(r, cache));
        MetadataRecordSerde.INSTANCE.write(r, cache, new ByteBufferAccessor(b));
        return b.flip();
    }

    static ByteBuffer keyFrame(short type, Message m, short version) {
        ByteBuffer b = serialize(m, version);
        return ByteBuffer.allocate(2 + b.remaining()).putShort(type).put(b).flip();
    }

    public static void main(String[] args) throws Exception {
        try (PrintStream out = new PrintStream(args[0] + "/metadata.golden")) {
            for (MetadataRecordType t : MetadataRecordType.values())
                write(out, t.newMetadataRecord(), (m, v) -> MetadataJsonConverters.writeJson((ApiMessage) m, v), GoldenRecords::metadataFrame);
        }
        try (PrintStream out = new PrintStream(args[0] + "/groups.golden")) {
            for (CoordinatorRecordType t : CoordinatorRecordType.values()) {
                write(out, t.newRecordKey(), (m, v) -> CoordinatorRecordJsonConverters.writeRecordKeyAsJson((ApiMessage) m),
                    (m, v) -> keyFrame(t.id(), m, v));
                write(out, t.newRecordValue(), (m, v) -> CoordinatorRecordJsonConverters.writeRecordValueAsJson((ApiMessage) m, v),
                    (m, v) -> MessageUtil.toVersionPrefixedByteBuffer(v, m));
            }
        }
        try (PrintStream out = new PrintStream(args[0] + "/control.golden")) {
            write(out, new LeaderChangeMessage(), (m, v) -> LeaderChangeMessageJsonConverter.write((LeaderChangeMessage) m, v), GoldenRecords::serialize);
            write(out, new SnapshotHeaderRecord(), (m, v) -> SnapshotHeaderRecordJsonConverter.write((SnapshotHeaderRecord) m, v), GoldenRecords::serialize);
            write(out, new SnapshotFooterRecord(), (m, v) -> SnapshotFooterRecordJsonConverter.write((SnapshotFooterRecord) m, v), GoldenRecords::serialize);
            write(out, new KRaftVersionRecord(), (m, v) -> KRaftVersionRecordJsonConverter.write((KRaftVersionRecord) m, v), GoldenRecords::serialize);
            write(out, new VotersRecord(), (m, v) -> VotersRecordJsonConverter.write((VotersRecord) m, v), GoldenRecords::serialize);
        }
    }
}
