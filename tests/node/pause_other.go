//go:build !unix

package node

import "errors"

// Pause stops the process where it stands; there is no such thing here.
func (s *Server) Pause() error { return errors.ErrUnsupported }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return errors.ErrUnsupported }
