package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fault is the body of POST /fault. It replaces the fault before it.
type fault struct {
	Code         codes.Code    `json:"code"`           // gRPC status; 0 takes the data
	Message      string        `json:"message"`        // of the status
	RetryDelayMS *int64        `json:"retry_delay_ms"` // adds google.rpc.RetryInfo to the status
	DelayMS      int64         `json:"delay_ms"`       // wait before the answer
	Partial      *partialFault `json:"partial"`        // with code 0: answer partial_success
	Times        int           `json:"times"`          // calls to affect; -1 all, absent or 0 one
	Signal       string        `json:"signal"`         // only calls of this signal
	Peer         string        `json:"peer"`           // only calls to this listener
}

type partialFault struct {
	Rejected int64  `json:"rejected"`
	Message  string `json:"message"`
}

func (f *fault) err() error {
	if f.Code == codes.OK {
		return nil
	}
	s := status.New(f.Code, f.Message)
	if f.RetryDelayMS != nil {
		delay := durationpb.New(time.Duration(*f.RetryDelayMS) * time.Millisecond)
		with, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: delay})
		if err != nil {
			return err
		}
		s = with
	}
	return s.Err()
}

type faults struct {
	lock    sync.Mutex
	current *fault
}

func (f *faults) set(next *fault) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.current = next
}

// take returns the fault for this call, or nil, and uses up one of its times.
func (f *faults) take(peer, signal string) *fault {
	f.lock.Lock()
	defer f.lock.Unlock()
	c := f.current
	if c == nil || c.Signal != "" && c.Signal != signal || c.Peer != "" && c.Peer != peer {
		return nil
	}
	taken := *c
	if c.Times--; c.Times == 0 {
		f.current = nil
	}
	return &taken
}

// controlHandler serves POST /fault with a fault as JSON, POST /clear, and GET /stats.
func controlHandler(s *sink) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		var next fault
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&next); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if next.Times == 0 {
			next.Times = 1
		}
		s.faults.set(&next)
	})
	mux.HandleFunc("POST /clear", func(http.ResponseWriter, *http.Request) {
		s.faults.set(nil)
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		s.counts.change(func(c *counted) { _ = json.NewEncoder(w).Encode(c) })
	})
	return mux
}
