package main

// twin runs the request scripts against both brokers; see tests/twin.
func (s *suite) twin() {}
