// Package sharegroup is the room of share groups (KIP-932): queues with a lock
// on every record. Nothing of it is built yet; docs/ARCHITECTURE.md draws its
// parts (member, window, session, state) and the arrows: it stands between
// broker and groupcoord, whose runtime its state will use.
package sharegroup
