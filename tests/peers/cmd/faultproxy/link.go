package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// link is a listener, a target, and the connections between them.
type link struct {
	name, address string
	state         *shared
	web           *web // nil: bytes only

	lock        sync.Mutex
	target      string
	listener    net.Listener // nil while it refuses
	closed      bool
	connections map[*connection]struct{}

	accepted, bytesUp, bytesDown atomic.Int64
}

// connection is one client and what it was connected to.
type connection struct {
	client, server *net.TCPConn
	ended          chan struct{}
	once           sync.Once
	half           atomic.Bool
}

func newLink(name, target string, asWeb bool) (*link, error) {
	l := &link{name: name, target: target, state: newShared(), connections: map[*connection]struct{}{}}
	if asWeb {
		w, err := newWeb(target)
		if err != nil {
			return nil, err
		}
		l.web, l.target = w, w.address
	}
	if err := l.listen("127.0.0.1:0"); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *link) listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	l.listener, l.address = listener, listener.Addr().String()
	go l.accept(listener)
	return nil
}

func (l *link) accept(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		l.accepted.Add(1)
		go l.serve(c.(*net.TCPConn))
	}
}

// set changes the behaviour; a link that refuses has no listener, and takes its port again later.
func (l *link) set(s state) error {
	if err := errors.Join(s.Up.check(), s.Down.check()); err != nil {
		return err
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.state.set(s)
	switch {
	case s.Refuse && l.listener != nil:
		_ = l.listener.Close()
		l.listener = nil
	case !s.Refuse && l.listener == nil && !l.closed:
		return l.listen(l.address)
	}
	return nil
}

// redirect sends new connections elsewhere; those that are there stay where they are.
func (l *link) redirect(target string) error {
	if l.web != nil {
		return errors.New("a link with \"web\" keeps its target")
	}
	if _, _, err := net.SplitHostPort(target); err != nil {
		return err
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.target = target
	return nil
}

func (l *link) serve(client *net.TCPConn) {
	l.lock.Lock()
	target := l.target
	l.lock.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		reset(client)
		return
	}
	c := &connection{client: client, server: server.(*net.TCPConn), ended: make(chan struct{})}
	l.lock.Lock()
	l.connections[c] = struct{}{}
	closed := l.closed
	l.lock.Unlock()
	if closed {
		c.cut(true)
	}
	up := pipe{client, c.server, l.state, func(s *state) *direction { return &s.Up },
		func(n int) { l.bytesUp.Add(int64(n)) }, c.ended}
	down := pipe{c.server, client, l.state, func(s *state) *direction { return &s.Down },
		func(n int) { l.bytesDown.Add(int64(n)) }, c.ended}
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); c.direction(&up) }()
	go func() { defer both.Done(); c.direction(&down) }()
	both.Wait()
	_ = client.Close()
	_ = c.server.Close()
	l.lock.Lock()
	delete(l.connections, c)
	l.lock.Unlock()
}

// direction passes bytes on, and then the way in which the sender ended.
func (c *connection) direction(p *pipe) {
	err := p.run()
	switch {
	case c.half.Load():
		if p.from == c.client {
			discard(c.client)
		}
	case errors.Is(err, io.EOF):
		_ = p.to.CloseWrite()
	default:
		c.cut(isReset(err))
	}
}

// cut takes both sides down, by a reset or by an end.
func (c *connection) cut(byReset bool) {
	c.once.Do(func() {
		close(c.ended)
		for _, side := range []*net.TCPConn{c.client, c.server} {
			if byReset {
				reset(side)
			} else {
				_ = side.Close()
			}
		}
	})
}

// halve ends the server's side only: the client goes on talking to nobody.
func (c *connection) halve() {
	c.half.Store(true)
	c.once.Do(func() {
		close(c.ended)
		reset(c.server)
	})
}

// cut ends all present connections and returns their number.
func (l *link) cut(how string) (int, error) {
	ways := map[string]func(*connection){
		"rst":  func(c *connection) { c.cut(true) },
		"fin":  func(c *connection) { c.cut(false) },
		"half": (*connection).halve,
	}
	way := ways[how]
	if way == nil {
		return 0, fmt.Errorf("there is no way to cut %q: rst, fin or half", how)
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	for c := range l.connections {
		way(c)
	}
	return len(l.connections), nil
}

func (l *link) close() {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.closed = true
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for c := range l.connections {
		_ = c.client.Close() // one that is half open has nobody else
		c.cut(true)
	}
	if l.web != nil {
		l.web.close()
	}
}
