package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

const (
	chunkBytes = 16 << 10
	// So much may be on its way in a direction that delays; more waits in the sender.
	chunksMax = 64
)

// pipe is one direction of a connection. A chunk is read, gets the time at which it may go on, and
// is written by another goroutine, so that a delay does not slow the stream down.
type pipe struct {
	from, to  *net.TCPConn
	state     *shared
	direction func(*state) *direction
	count     func(int)
	ended     <-chan struct{} // the connection is being taken down
}

type chunk struct {
	data []byte
	due  time.Time
	err  error // the last one: how reading ended
}

// run returns how the sender ended: io.EOF, a reset, or another error of either side.
func (p *pipe) run() error {
	chunks := make(chan chunk, chunksMax)
	stop := make(chan struct{})
	defer close(stop)
	go p.read(chunks, stop)
	for c := range chunks {
		if !p.wait(c) {
			return net.ErrClosed
		}
		if c.err != nil {
			return c.err
		}
		if err := p.write(c.data); err != nil {
			return err
		}
	}
	return net.ErrClosed
}

func (p *pipe) read(chunks chan<- chunk, stop <-chan struct{}) {
	defer close(chunks)
	var last time.Time
	for {
		if !p.pass(stop) {
			return
		}
		data := make([]byte, chunkBytes)
		n, err := p.from.Read(data)
		p.count(n)
		s, _ := p.state.get()
		d := p.direction(&s)
		due := time.Now().Add(time.Duration(d.DelayMS) * time.Millisecond)
		if d.JitterMS > 0 {
			due = due.Add(rand.N(time.Duration(d.JitterMS) * time.Millisecond))
		}
		if due.Before(last) {
			due = last
		}
		last = due
		if n > 0 && !send(chunks, chunk{data: data[:n], due: due}, stop) {
			return
		}
		if err != nil {
			send(chunks, chunk{due: due, err: err}, stop)
			return
		}
	}
}

func send(chunks chan<- chunk, c chunk, stop <-chan struct{}) bool {
	select {
	case chunks <- c:
		return true
	case <-stop:
		return false
	}
}

// pass waits while the direction is held; false if the connection ends meanwhile.
func (p *pipe) pass(stop <-chan struct{}) bool {
	for {
		s, changed := p.state.get()
		if !p.direction(&s).Hold {
			return true
		}
		select {
		case <-changed:
		case <-stop:
			return false
		case <-p.ended:
			return false
		}
	}
}

func (p *pipe) wait(c chunk) bool {
	if left := time.Until(c.due); left > 0 {
		select {
		case <-time.After(left):
		case <-p.ended:
			return false
		}
	}
	return p.pass(nil)
}

func (p *pipe) write(data []byte) error {
	for len(data) > 0 {
		s, _ := p.state.get()
		rate := p.direction(&s).BytesPerSecond
		part := data
		if rate > 0 {
			part = data[:min(len(data), max(1, rate/20))]
		}
		if _, err := p.to.Write(part); err != nil {
			return err
		}
		data = data[len(part):]
		if rate > 0 {
			select {
			case <-time.After(time.Duration(len(part)) * time.Second / time.Duration(rate)):
			case <-p.ended:
				return net.ErrClosed
			}
		}
	}
	return nil
}

// discard reads and forgets: a peer that seems to be there.
func discard(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// reset closes a connection so that its peer sees a reset instead of an end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
