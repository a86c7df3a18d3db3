// Package raft is the pure core of KRaft, Kafka's raft with pulled replication.
package raft
