package format

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/records"
)

// Bounds of a SCRAM credential's iterations, and what is used without any.
const (
	minIterations = 4096
	maxIterations = 16384
	saltBytes     = 32
)

var mechanisms = map[string]struct {
	number int8
	hash   func() hash.Hash
}{
	"SCRAM-SHA-256": {1, sha256.New},
	"SCRAM-SHA-512": {2, sha512.New},
}

// ParseScram reads one --add-scram argument (KIP-900):
//
//	SCRAM-SHA-256=[name=alice,password=secret]
//	SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="]
//
// Errors never repeat a value: it may be the password.
func ParseScram(arg string, rnd io.Reader) (records.Record, error) {
	name, rest, ok := strings.Cut(strings.TrimSpace(arg), "=")
	m, known := mechanisms[name]
	if !ok || !known {
		return nil, errors.New("--add-scram: write SCRAM-SHA-256=[name=…,password=…] or SCRAM-SHA-512=[…]")
	}
	if !strings.HasPrefix(rest, "[") || !strings.HasSuffix(rest, "]") {
		return nil, fmt.Errorf("--add-scram %s: the credential stands in brackets: %s=[name=…,password=…]", name, name)
	}
	c, err := parseCredential(rest[1 : len(rest)-1])
	if err != nil {
		return nil, fmt.Errorf("--add-scram %s: %w", name, err)
	}
	return c.record(m.number, m.hash, rnd)
}

type credential struct {
	name, password string
	salt, salted   []byte
	iterations     int
}

func parseCredential(text string) (credential, error) {
	c := credential{iterations: minIterations}
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return c, errors.New("each part of the credential is key=value")
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if err := c.set(key, value); err != nil {
			return c, err
		}
	}
	switch {
	case c.name == "":
		return c, errors.New("name is missing")
	case c.password == "" && c.salted == nil:
		return c, errors.New("give password, or salt and saltedpassword")
	case c.salted != nil && c.salt == nil:
		return c, errors.New("saltedpassword needs the salt it was made with")
	case c.iterations < minIterations || c.iterations > maxIterations:
		return c, fmt.Errorf("iterations must be %d to %d", minIterations, maxIterations)
	}
	return c, nil
}

func (c *credential) set(key, value string) (err error) {
	switch key {
	case "name":
		c.name = value
	case "password":
		c.password = value
	case "salt":
		c.salt, err = base64.StdEncoding.DecodeString(value)
	case "saltedpassword":
		c.salted, err = base64.StdEncoding.DecodeString(value)
	case "iterations":
		c.iterations, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("unknown key %q: the keys are name, password, salt, saltedpassword, iterations", key)
	}
	if err != nil {
		return fmt.Errorf("%s can't be read: salt and saltedpassword are base64, iterations is a number", key)
	}
	return nil
}

// record derives what the server keeps (RFC 5802): never the password itself.
func (c credential) record(mechanism int8, h func() hash.Hash, rnd io.Reader) (records.Record, error) {
	if c.salt == nil {
		c.salt = make([]byte, saltBytes)
		if _, err := io.ReadFull(rnd, c.salt); err != nil {
			return nil, fmt.Errorf("random salt: %w", err)
		}
	}
	if c.salted == nil {
		var err error
		if c.salted, err = pbkdf2.Key(h, c.password, c.salt, c.iterations, h().Size()); err != nil {
			return nil, err
		}
	}
	sum := h()
	sum.Write(mac(h, c.salted, "Client Key"))
	return &records.UserScramCredentialRecord{
		Name: c.name, Mechanism: mechanism, Salt: c.salt, Iterations: int32(c.iterations),
		StoredKey: sum.Sum(nil), ServerKey: mac(h, c.salted, "Server Key"),
	}, nil
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
