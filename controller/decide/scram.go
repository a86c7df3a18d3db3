package decide

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Iterations that a SCRAM credential may have; both mechanisms ask for the same minimum.
const (
	minScramIterations = 4096
	maxScramIterations = 16384
)

// scramAlteration is one credential set (with up) or deleted.
type scramAlteration struct {
	user string
	mech int8
	up   *kmsg.AlterUserSCRAMCredentialsRequestUpsertion
}

// AlterUserSCRAMCredentials sets and deletes SCRAM credentials (KIP-554). A user
// that is named twice is left alone.
func AlterUserSCRAMCredentials(e *Env, req *kmsg.AlterUserSCRAMCredentialsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.AlterUserSCRAMCredentialsResponse)
	d := Decision{Atomic: true, Reply: resp}
	answer := func(user string, err *Error) {
		r := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		r.User, r.ErrorCode, r.ErrorMessage = user, err.code(), err.message()
		resp.Results = append(resp.Results, r)
	}
	var all []scramAlteration
	for _, x := range req.Deletions {
		all = append(all, scramAlteration{user: x.Name, mech: x.Mechanism})
	}
	for i := range req.Upsertions {
		x := &req.Upsertions[i]
		all = append(all, scramAlteration{x.Name, x.Mechanism, x})
	}
	// Kafka judges one after the other and stops at a user's first mistake, of
	// which being named again is one.
	first, count := map[string]*Error{}, map[string]int{}
	for i := range all {
		user := all[i].user
		count[user]++
		switch {
		case first[user] != nil:
		case count[user] > 1:
			first[user] = fail(kerr.DuplicateResource, "A user credential cannot be altered twice in the same request")
		default:
			first[user] = e.checkScram(&all[i])
		}
	}
	for _, a := range all {
		if count[a.user] < 0 {
			continue
		}
		count[a.user] = -1
		if first[a.user] == nil {
			d.add(a.record(), 0)
		}
		if len(d.Records) > MaxRecords { // before more keys are worked out
			return Decision{}, errTooMany()
		}
		answer(a.user, first[a.user])
	}
	return d, nil
}

func (e *Env) checkScram(a *scramAlteration) *Error {
	switch {
	case !e.mv().SupportsScram():
		return fail(kerr.UnsupportedVersion, "The current metadata.version does not support SCRAM")
	case a.user == "":
		return fail(kerr.UnacceptableCredential, "Username must not be empty")
	case a.mech != image.ScramSHA256 && a.mech != image.ScramSHA512:
		return fail(kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
	case a.up == nil && e.Image.Scram.Get(a.mech, a.user) == nil:
		return fail(kerr.ResourceNotFound, "Attempt to delete a user credential that does not exist")
	case a.up != nil && a.up.Iterations < minScramIterations:
		return fail(kerr.UnacceptableCredential, "Too few iterations")
	case a.up != nil && a.up.Iterations > maxScramIterations:
		return fail(kerr.UnacceptableCredential, "Too many iterations")
	}
	return nil
}

// record turns a salted password into the keys that are stored: neither the
// password nor what a client proves it with can be found from them (RFC 5802).
func (a *scramAlteration) record() records.Record {
	if a.up == nil {
		return &records.RemoveUserScramCredentialRecord{Name: a.user, Mechanism: a.mech}
	}
	h, sum := sha256.New, func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	if a.mech == image.ScramSHA512 {
		h, sum = sha512.New, func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
	}
	return &records.UserScramCredentialRecord{
		Name: a.user, Mechanism: a.mech, Salt: a.up.Salt, Iterations: a.up.Iterations,
		StoredKey: sum(keyed(h, a.up.SaltedPassword, "Client Key")), ServerKey: keyed(h, a.up.SaltedPassword, "Server Key"),
	}
}

func keyed(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
