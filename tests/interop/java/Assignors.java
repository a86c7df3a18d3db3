import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/**
 * Reads groups from standard input and writes what Kafka's server-side assignors
 * make of them; groupcoord/assignor/assignortest says how both look.
 */
public class Assignors {
    private final Map<Uuid, List<Set<String>>> topics = new LinkedHashMap<>();
    private final Map<String, MemberSubscriptionAndAssignmentImpl> members = new LinkedHashMap<>();
    private final Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
    private final Set<Set<Uuid>> kinds = new HashSet<>();

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String name; (name = in.readLine()) != null; ) {
            Assignors group = new Assignors();
            for (String line; !(line = in.readLine()).equals("="); ) {
                String[] f = line.split(" ");
                if (f[0].equals("topic")) group.topic(f);
                else group.member(f);
            }
            System.out.print(group.assigned(name.equals("range") ? new RangeAssignor() : new UniformAssignor()));
            System.out.flush();
        }
    }

    private static Uuid id(String number) {
        return new Uuid(0, Long.parseLong(number));
    }

    private void topic(String[] f) {
        List<Set<String>> racks = new ArrayList<>();
        for (int i = 3; i < f.length; i++)
            racks.add(f[i].equals("-") ? Set.of() : new HashSet<>(List.of(f[i].split("\\."))));
        topics.put(id(f[1]), racks);
    }

    private void member(String[] f) {
        Set<Uuid> wants = new HashSet<>();
        if (!f[4].equals("-"))
            for (String t : f[4].split(",")) wants.add(id(t));
        kinds.add(wants);
        Map<Uuid, Set<Integer>> had = new HashMap<>();
        for (int i = 5; i < f.length; i++) {
            String[] kv = f[i].split(":");
            Set<Integer> of = new HashSet<>();
            for (String p : kv[1].split(",")) {
                of.add(Integer.parseInt(p));
                owners.computeIfAbsent(id(kv[0]), k -> new HashMap<>()).put(Integer.parseInt(p), f[1]);
            }
            had.put(id(kv[0]), of);
        }
        members.put(f[1], new MemberSubscriptionAndAssignmentImpl(optional(f[3]), optional(f[2]), wants, new Assignment(had)));
    }

    private static Optional<String> optional(String s) {
        return s.equals("-") ? Optional.empty() : Optional.of(s);
    }

    private String assigned(ConsumerGroupPartitionAssignor assignor) {
        SubscriptionType type = kinds.size() > 1 ? SubscriptionType.HETEROGENEOUS : SubscriptionType.HOMOGENEOUS;
        GroupAssignment out = assignor.assign(new GroupSpecImpl(members, type, owners), new SubscribedTopicDescriber() {
            public int numPartitions(Uuid topic) {
                return topics.containsKey(topic) ? topics.get(topic).size() : -1;
            }

            public Set<String> racksForPartition(Uuid topic, int partition) {
                return topics.containsKey(topic) ? topics.get(topic).get(partition) : Set.of();
            }
        });
        StringBuilder text = new StringBuilder();
        for (String member : members.keySet()) {
            text.append(member);
            Map<Uuid, Set<Integer>> has = out.members().containsKey(member) ? out.members().get(member).partitions() : Map.of();
            for (Uuid topic : topics.keySet()) {
                Set<Integer> of = new TreeSet<>(has.getOrDefault(topic, Set.of()));
                if (of.isEmpty()) continue;
                text.append(' ').append(topic.getLeastSignificantBits()).append(':');
                text.append(String.join(",", of.stream().map(String::valueOf).toList()));
            }
            text.append('\n');
        }
        return text.append('\n').toString();
    }
}
