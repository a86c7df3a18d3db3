package api

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupOperations are what anyone may do with a group while no authorizer is
// set, as bits: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
const groupOperations = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11

// Groups is the group coordinator, as its handlers see it.
type Groups interface {
	JoinGroup(groupcoord.Caller, *kmsg.JoinGroupRequest, func(*kmsg.JoinGroupResponse))
	SyncGroup(*kmsg.SyncGroupRequest, func(*kmsg.SyncGroupResponse))
	Heartbeat(groupcoord.Caller, *kmsg.HeartbeatRequest, func(*kmsg.HeartbeatResponse))
	LeaveGroup(*kmsg.LeaveGroupRequest, func(*kmsg.LeaveGroupResponse))
	DescribeGroups(*kmsg.DescribeGroupsRequest, func(*kmsg.DescribeGroupsResponse))
	ListGroups(*kmsg.ListGroupsRequest, func(*kmsg.ListGroupsResponse))
	DeleteGroups(*kmsg.DeleteGroupsRequest, func(*kmsg.DeleteGroupsResponse))
	CommitOffsets(*kmsg.OffsetCommitRequest, runtime.Outbox, func(*kmsg.OffsetCommitResponse))
	OffsetFetch(*kmsg.OffsetFetchRequest, func(*kmsg.OffsetFetchResponse))
	OffsetDelete(*kmsg.OffsetDeleteRequest, func(*kmsg.OffsetDeleteResponse))
	ConsumerGroupHeartbeat(groupcoord.Caller, *kmsg.ConsumerGroupHeartbeatRequest, func(*kmsg.ConsumerGroupHeartbeatResponse))
	ConsumerGroupDescribe(*kmsg.ConsumerGroupDescribeRequest, func(*kmsg.ConsumerGroupDescribeResponse))
}

// caller is who sent the call.
func caller(c *conn.Call) groupcoord.Caller {
	return groupcoord.Caller{ClientID: c.Header.ClientID, Host: javaHost(c.Conn.RemoteAddr())}
}

// javaHost writes an address as Java does, which is what Kafka stores and shows
// for members: a slash, and IPv6 without its short forms.
func javaHost(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "/" + a.String()
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return "/" + tcp.IP.String()
	}
	ip = ip.Unmap()
	if ip.Is4() {
		return "/" + ip.String()
	}
	b := ip.As16()
	words := make([]string, 8)
	for i := range words {
		words[i] = strconv.FormatUint(uint64(b[2*i])<<8|uint64(b[2*i+1]), 16)
	}
	text := "/" + strings.Join(words, ":")
	if tcp.Zone != "" {
		text += "%" + tcp.Zone
	}
	return text
}
