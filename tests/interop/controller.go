package main

import (
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gregorbroker/gregor/tests/node"
)

// controller runs the tools that speak to the active controller, through
// brokers and directly. Every case passes with -against apache too.
func (s *suite) controller() {
	if s.home == "" {
		s.skip("controller/", "Apache Kafka could not be fetched", 6)
		return
	}
	s.run("controller/client-quotas", clientQuotas)
	s.run("controller/scram-credentials", scramCredentials)
	s.run("controller/mutation-quota", mutationQuota)
	s.run("controller/features", features)
	s.run("controller/no-authorizer", unsecured)
	s.run("controller/reassignment", reassignment)
}

func clientQuotas(t *c) {
	alter := func(args ...string) {
		t.wants(t.admin("kafka-configs.sh", append([]string{"--alter"}, args...)...), `^Completed updating config for`)
	}
	alter("--entity-type", "users", "--entity-name", "qa", "--add-config", "producer_byte_rate=1024,consumer_byte_rate=2048")
	alter("--entity-type", "users", "--entity-name", "qa", "--entity-type", "clients", "--entity-default", "--add-config", "request_percentage=150")
	alter("--entity-type", "ips", "--entity-name", "10.1.2.3", "--add-config", "connection_creation_rate=7")
	show := func(args ...string) string {
		return t.admin("kafka-configs.sh", append([]string{"--describe"}, args...)...)
	}
	out := show("--entity-type", "users", "--entity-name", "qa")
	t.wants(out, `^Quota configs for user-principal 'qa' are .*consumer_byte_rate=2048\.0`, `producer_byte_rate=1024\.0`)
	t.wants(show("--entity-type", "users", "--entity-name", "qa", "--entity-type", "clients", "--entity-default"),
		`^Quota configs for user-principal 'qa', the default client-id are request_percentage=150\.0`)
	t.wants(show("--entity-type", "ips", "--entity-name", "10.1.2.3"), `connection_creation_rate=7\.0`)
	alter("--entity-type", "users", "--entity-name", "qa", "--delete-config", "producer_byte_rate,consumer_byte_rate")
	t.wantsNot(show("--entity-type", "users", "--entity-name", "qa"), `producer_byte_rate`)
	t.wants(t.adminFails("kafka-configs.sh", "--alter", "--entity-type", "ips", "--entity-name", "10.1.2.3", "--add-config", "connection_creation_rate=0"),
		`InvalidRequestException: Quota connection_creation_rate must be greater than 0`)
	alter("--entity-type", "users", "--entity-name", "qa", "--entity-type", "clients", "--entity-default", "--delete-config", "request_percentage")
	alter("--entity-type", "ips", "--entity-name", "10.1.2.3", "--delete-config", "connection_creation_rate")
}

func scramCredentials(t *c) {
	who := []string{"--entity-type", "users", "--entity-name", "sa"}
	cfg := func(args ...string) string { return t.admin("kafka-configs.sh", append(args, who...)...) }
	t.wants(cfg("--alter", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=secret]"), `^Completed updating config for user sa\.$`)
	t.wants(cfg("--alter", "--add-config", "SCRAM-SHA-512=[password=other]"), `^Completed updating config for user sa\.$`)
	t.wants(cfg("--describe"), `SCRAM credential configs for user-principal 'sa' are .*SCRAM-SHA-256=iterations=8192`, `SCRAM-SHA-512=iterations=4096`)
	t.wants(cfg("--alter", "--delete-config", "SCRAM-SHA-256"), `^Completed`)
	out := cfg("--describe")
	t.wants(out, `SCRAM-SHA-512=iterations=4096`)
	t.wantsNot(out, `SCRAM-SHA-256`)
	t.wants(cfg("--alter", "--delete-config", "SCRAM-SHA-512"), `^Completed`)
	t.wants(t.adminFails("kafka-configs.sh", append([]string{"--alter", "--delete-config", "SCRAM-SHA-512"}, who...)...), `ResourceNotFoundException: Attempt to delete a user credential that does not exist`)
}

// mutationQuota: more than there is may be taken once; then topics are refused
// until the bucket has filled again (KIP-599).
func mutationQuota(t *c) {
	who := []string{"--entity-type", "users", "--entity-name", "ANONYMOUS"}
	cfg := func(args ...string) { t.wants(t.admin("kafka-configs.sh", append(args, who...)...), `^Completed`) }
	cfg("--alter", "--add-config", "controller_mutation_rate=0.5")
	defer cfg("--alter", "--delete-config", "controller_mutation_rate")
	t.wants(t.admin("kafka-topics.sh", "--create", "--topic", "ct-quota", "--partitions", "60", "--replication-factor", "1"), `^Created topic ct-quota\.$`)
	t.wants(t.adminFails("kafka-topics.sh", "--create", "--topic", "ct-quota-2", "--partitions", "1", "--replication-factor", "1"), `ThrottlingQuotaExceededException: The throttling quota has been exceeded`)
}

func features(t *c) {
	show := func() string { return t.admin("kafka-features.sh", "describe") }
	level := func(name, l string) string { return `^Feature: ` + name + ` .*FinalizedVersionLevel: ` + l + `\s` }
	t.wants(show(), level(`metadata\.version`, `4\.3-IV0`), level(`share\.version`, "1"), level(`kraft\.version`, "1"))
	t.wants(t.tool("kafka-features.sh", "--bootstrap-controller", t.srv.Controller(), "describe"), level(`metadata\.version`, `4\.3-IV0`), level(`transaction\.version`, "2"))
	t.wants(t.admin("kafka-features.sh", "disable", "--feature", "share.version"), `^share\.version was disabled\.$`)
	t.wants(show(), level(`share\.version`, "0"))
	t.wants(t.admin("kafka-features.sh", "upgrade", "--feature", "share.version=1", "--dry-run"), `^share\.version can be upgraded to 1\.$`)
	t.wants(show(), level(`share\.version`, "0"))
	t.wants(t.admin("kafka-features.sh", "upgrade", "--feature", "share.version=1"), `^share\.version was upgraded to 1\.$`)
	t.wants(t.adminFails("kafka-features.sh", "downgrade", "--release-version", "3.9"), `Could not downgrade metadata\.version to 21`)
	t.wants(t.adminFails("kafka-features.sh", "downgrade", "--feature", "kraft.version=0"), `Could not downgrade kraft\.version to 0`)
	t.wants(show(), level(`metadata\.version`, `4\.3-IV0`), level(`share\.version`, "1"), level(`kraft\.version`, "1"))
}

func unsecured(t *c) {
	t.wants(t.adminFails("kafka-acls.sh", "--list"), `SecurityDisabledException: No Authorizer is configured`)
	t.wants(t.adminFails("kafka-acls.sh", "--add", "--allow-principal", "User:a", "--operation", "Read", "--topic", "t"), `SecurityDisabledException: No Authorizer is configured`)
}

// reassignment to a broker that has stopped: it stays under way until it is
// cancelled. Then the broker is unregistered.
func reassignment(t *c) {
	k := t.cluster()
	defer k.end()
	ctrl := k.add(k.ours, node.Place{ID: 100, Roles: "controller"})
	one := k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrl})
	two := k.add(k.ours, node.Place{ID: 2, Roles: "broker", Controller: ctrl})
	k.srv = one
	k.place("moves", "1", "1")
	k.produce("moves", 1, 100)
	k.stop(two)
	plan := filepath.Join(ctrl.Dir(), "plan.json")
	k.check(os.WriteFile(plan, []byte(`{"version":1,"partitions":[{"topic":"moves","partition":0,"replicas":[2]},{"topic":"moves","partition":1,"replicas":[1,2]}]}`), 0o600))
	do := func(what ...string) string {
		return k.admin("kafka-reassign-partitions.sh", append([]string{"--reassignment-json-file", plan}, what...)...)
	}
	k.reassign("moves", []int32{2}, []int32{1, 2}) // the tool would not do it for a broker that is not there
	k.wants(k.admin("kafka-reassign-partitions.sh", "--list"), `^moves-0: replicas: 2,1\. adding: 2\. removing: 1\.`, `^moves-1: replicas: 1,2\. adding: 2\.`)
	k.wants(do("--verify", "--preserve-throttles"), `^Reassignment of partition moves-0 is still in progress\.`)
	k.wants(k.admin("kafka-topics.sh", "--describe", "--topic", "moves"), `Partition: 0\s+Leader: 1\s+Replicas: 2,1\s+Isr: 1`)
	k.has("moves", 100)
	k.wants(do("--cancel", "--preserve-throttles"), `^Successfully cancelled partition reassignments for: moves-0,moves-1`)
	k.wants(k.admin("kafka-reassign-partitions.sh", "--list"), `^No partition reassignments found\.`)
	k.wants(k.admin("kafka-topics.sh", "--describe", "--topic", "moves"), `Partition: 0\s+Leader: 1\s+Replicas: 1\s+Isr: 1`, `Partition: 1\s+Leader: 1\s+Replicas: 1\s+Isr: 1`)
	members := func(args ...string) string {
		return k.tool("kafka-cluster.sh", append([]string{"list-endpoints"}, args...)...)
	}
	k.wants(members("--bootstrap-server", one.Addr(), "--include-fenced-brokers"), `^2 .*fenced.* broker`)
	k.wants(k.tool("kafka-cluster.sh", "unregister", "--bootstrap-server", one.Addr(), "--id", "2"), `^Broker 2 is no longer registered\.`)
	k.wantsNot(members("--bootstrap-server", one.Addr(), "--include-fenced-brokers"), `^2 `)
	k.wants(members("--bootstrap-controller", ctrl.Controller()), `^100 .*controller`)
	k.has("moves", 100)
}

// reassign asks for other replicas of the partitions of a topic.
func (k *cluster) reassign(topic string, replicas ...[]int32) {
	ctx, cancel := patience()
	defer cancel()
	cl := k.kgo()
	defer cl.Close()
	req := kadm.AlterPartitionAssignmentsReq{}
	for i, r := range replicas {
		req.Assign(topic, int32(i), r)
	}
	resp, err := kadm.NewClient(cl).AlterPartitionAssignments(ctx, req)
	k.check(err)
	k.check(resp.Error())
}
