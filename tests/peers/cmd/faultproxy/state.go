package main

import (
	"errors"
	"sync"
)

// state is how a link behaves. A new one replaces the one before, also for connections that exist.
type state struct {
	Refuse bool      `json:"refuse"` // new connections find nobody
	Up     direction `json:"up"`     // from the client to the target
	Down   direction `json:"down"`
}

// direction is what happens to bytes on their way. What is held is not lost: it goes on when the
// hold ends, as what a network drops is sent again; nothing is read meanwhile, so that the sender
// notices as little as it would of a network that drops everything.
type direction struct {
	DelayMS        int  `json:"delay_ms"`
	JitterMS       int  `json:"jitter_ms"`        // up to so much more, at random; order is kept
	BytesPerSecond int  `json:"bytes_per_second"` // 0: no limit
	Hold           bool `json:"hold"`
}

func (d *direction) check() error {
	if d.DelayMS < 0 || d.JitterMS < 0 || d.BytesPerSecond < 0 {
		return errors.New("a direction has a negative number: all must be 0 or more")
	}
	return nil
}

// shared is a state that many connections look at, and wait for changes of.
type shared struct {
	lock    sync.Mutex
	current state
	changed chan struct{} // closed at the next change
}

func newShared() *shared { return &shared{changed: make(chan struct{})} }

func (s *shared) get() (state, <-chan struct{}) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.current, s.changed
}

func (s *shared) set(next state) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.current = next
	close(s.changed)
	s.changed = make(chan struct{})
}
