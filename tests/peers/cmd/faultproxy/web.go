package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// web is the part of a link that understands requests: it ends TLS with a certificate of its own
// and passes each request on to the target, unless a rule wants something else.
type web struct {
	address      string // of its own listener; the link's bytes go there
	target       string
	certificates *certificates
	rules        *rules
	server       *http.Server
	transport    *http.Transport
	requests     atomic.Int64
}

type connectionKey struct{}

func newWeb(target string) (*web, error) {
	certificates, err := newCertificates()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &web{
		address: listener.Addr().String(), target: target, certificates: certificates, rules: newRules(),
		// Whoever the target is, it listens on loopback and was named by the test.
		transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true},
	}
	w.server = &http.Server{
		Handler:   w,
		TLSConfig: &tls.Config{GetCertificate: certificates.get},
		ErrorLog:  log.New(io.Discard, "", 0), // clients that go away are the purpose
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		},
	}
	go func() { _ = w.server.ServeTLS(listener, "", "") }()
	return w, nil
}

func (w *web) close() {
	_ = w.server.Close()
	w.transport.CloseIdleConnections()
}

func (w *web) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	w.requests.Add(1)
	rule, cleared := w.rules.pick(in)
	pause(in, time.Duration(rule.DelayMS)*time.Millisecond)
	if rule.Hang == "before" {
		hang(in, cleared)
	}
	if rule.Cut == "before" {
		cutConnection(in)
	}
	if rule.Status != 0 && !rule.Execute {
		answerStatus(out, &rule)
		return
	}
	answer, err := w.ask(in)
	if err != nil {
		cutConnection(in) // the target is away, or the client has given up
	}
	defer answer.Body.Close()
	pause(in, time.Duration(rule.AnswerDelayMS)*time.Millisecond)
	if rule.Hang == "after" {
		hang(in, cleared)
	}
	if rule.Cut == "after" {
		cutConnection(in)
	}
	if rule.Status != 0 {
		answerStatus(out, &rule)
		return
	}
	w.pass(out, in, answer, &rule)
}

func (w *web) ask(in *http.Request) (*http.Response, error) {
	request := in.Clone(in.Context())
	request.RequestURI = ""
	request.URL.Scheme, request.URL.Host, request.Host = "https", w.target, w.target
	return w.transport.RoundTrip(request)
}

// pass sends the answer on as it comes.
func (w *web) pass(out http.ResponseWriter, in *http.Request, answer *http.Response, rule *rule) {
	for name, values := range answer.Header {
		out.Header()[name] = values
	}
	out.WriteHeader(answer.StatusCode)
	flush := http.NewResponseController(out).Flush
	if rule.Cut == "middle" {
		body, _ := io.ReadAll(answer.Body)
		_, _ = out.Write(body[:len(body)/2])
		_ = flush()
		pause(in, 20*time.Millisecond) // so that it has left before the connection goes
		cutConnection(in)
	}
	if rule.Events != nil {
		_ = flush()
		rule.Events.pass(out, flush, in, answer.Body)
		return
	}
	buffer := make([]byte, chunkBytes)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			if _, failed := out.Write(buffer[:n]); failed != nil || flush() != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// answerStatus answers as the API server does when it refuses.
func answerStatus(out http.ResponseWriter, rule *rule) {
	out.Header().Set("Content-Type", "application/json")
	if rule.RetryAfter > 0 {
		out.Header().Set("Retry-After", strconv.Itoa(rule.RetryAfter))
	}
	out.WriteHeader(rule.Status)
	_ = json.NewEncoder(out).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": rule.Status,
		"reason": http.StatusText(rule.Status), "message": fmt.Sprintf("faultproxy answers %d", rule.Status),
	})
}

func pause(in *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-in.Context().Done():
	}
}

// hang never answers: until the client has given up, or the rules are taken away.
func hang(in *http.Request, cleared <-chan struct{}) {
	select {
	case <-in.Context().Done():
	case <-cleared:
	}
	panic(http.ErrAbortHandler)
}

// cutConnection resets the connection that the request came on, with all that goes on beside it.
func cutConnection(in *http.Request) {
	if c, ok := in.Context().Value(connectionKey{}).(*tls.Conn); ok {
		if plain, ok := c.NetConn().(*net.TCPConn); ok {
			reset(plain)
		}
	}
	panic(http.ErrAbortHandler)
}
