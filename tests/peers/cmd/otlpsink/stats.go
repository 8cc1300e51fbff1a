package main

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// counts is what GET /stats answers.
type counts struct {
	lock sync.Mutex
	counted
}

type counted struct {
	Connections int              `json:"connections"` // accepted so far
	Open        int              `json:"open"`        // open now
	Exports     map[string]int   `json:"exports"`     // by signal, without the refused
	Refused     int              `json:"refused"`     // by a fault
	Points      int              `json:"points"`      // data points, log records and spans taken
	Bytes       int64            `json:"bytes"`       // messages received, decompressed
	WireBytes   int64            `json:"wire_bytes"`  // the same, as sent
	Errors      map[string]int64 `json:"errors"`      // calls that failed, by status code's name
}

func (c *counts) change(f func(*counted)) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.Exports == nil {
		c.Exports, c.Errors = map[string]int{}, map[string]int64{}
	}
	f(&c.counted)
}

func (c *counts) addExport(signal string, refused bool, points int) {
	c.change(func(c *counted) {
		if refused {
			c.Refused++
			return
		}
		c.Exports[signal]++
		c.Points += points
	})
}

// callInfo is what a handler cannot learn from its arguments.
type callInfo struct {
	remote, encoding string
	bytes, wireBytes int
}

type callInfoKey struct{}

func infoFrom(ctx context.Context) *callInfo {
	info, _ := ctx.Value(callInfoKey{}).(*callInfo)
	return info
}

// watcher sees connections and calls of one server.
type watcher struct{ counts *counts }

func (w *watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (w *watcher) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		w.counts.change(func(c *counted) { c.Connections++; c.Open++ })
	case *stats.ConnEnd:
		w.counts.change(func(c *counted) { c.Open-- })
	}
}

func (w *watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, callInfoKey{}, &callInfo{})
}

func (w *watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	info := infoFrom(ctx)
	switch s := s.(type) {
	case *stats.InHeader:
		info.remote, info.encoding = s.RemoteAddr.String(), s.Compression
		if info.encoding == "" {
			info.encoding = "identity"
		}
	case *stats.InPayload:
		info.bytes, info.wireBytes = s.Length, s.CompressedLength
		w.counts.change(func(c *counted) {
			c.Bytes += int64(s.Length)
			c.WireBytes += int64(s.CompressedLength)
		})
	case *stats.End:
		if s.Error != nil {
			w.counts.change(func(c *counted) { c.Errors[status.Code(s.Error).String()]++ })
		}
	}
}
