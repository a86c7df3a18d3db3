//go:build unix

package node

import (
	"errors"
	"syscall"
)

// Pause stops the process where it stands (SIGSTOP): its connections stay open
// and nobody answers.
func (s *Server) Pause() error { return s.tell(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.tell(syscall.SIGCONT) }

func (s *Server) tell(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("nothing runs")
	}
	return s.cmd.Process.Signal(sig)
}
