package runtime

import "time"

// SystemClock is the clock of the machine it runs on.
type SystemClock struct{}

// Now is the wall clock in milliseconds since 1970.
func (SystemClock) Now() int64 { return time.Now().UnixMilli() }

// began is where Steady counts from.
var began = time.Now()

// Steady is the time since the process began, in milliseconds.
func (SystemClock) Steady() int64 { return time.Since(began).Milliseconds() }

// AfterFunc calls f after delay milliseconds.
func (SystemClock) AfterFunc(delay int64, f func()) func() bool {
	return time.AfterFunc(time.Duration(delay)*time.Millisecond, f).Stop
}
