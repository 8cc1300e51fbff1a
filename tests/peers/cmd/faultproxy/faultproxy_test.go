package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

// control is a client of the control port under test.
type control struct {
	t   *testing.T
	url string
}

func newControl(t *testing.T) *control {
	all := newLinks()
	server := httptest.NewServer(controlHandler(all))
	t.Cleanup(func() {
		server.Close()
		for _, l := range all.byName {
			l.close()
		}
	})
	return &control{t, server.URL}
}

// try returns the status and the decoded answer.
func (c *control) try(method, path, body string) (int, map[string]any) {
	request, _ := http.NewRequest(method, c.url+path, strings.NewReader(body))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	decoded := map[string]any{}
	_ = json.NewDecoder(answer.Body).Decode(&decoded)
	return answer.StatusCode, decoded
}

func (c *control) do(method, path, body string) map[string]any {
	c.t.Helper()
	status, answer := c.try(method, path, body)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s %s: %d", method, path, body, status)
	}
	return answer
}

func (c *control) link(target string) string {
	c.t.Helper()
	return c.do("POST", "/links", fmt.Sprintf(`{"name":"l","target":%q}`, target))["address"].(string)
}

func (c *control) state(body string) { c.t.Helper(); c.do("PUT", "/links/l/state", body) }

// echo is a target that sends back what it gets, and tells how each of its connections ended.
func echo(t *testing.T) (address string, ends chan error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ends = make(chan error, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, err := io.Copy(c, c)
				ends <- err
			}()
		}
	}()
	return l.Addr().String(), ends
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("heard %q (%v), want %q", got, err, text)
	}
}

func silence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes came (%v), there should be silence", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
}

func TestBytesPassUnchanged(t *testing.T) {
	target, ends := echo(t)
	ctl := newControl(t)
	c := dial(t, ctl.link(target))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
	if err := <-ends; err != nil {
		t.Fatalf("the target saw %v instead of an end", err)
	}
	d := ctl.do("GET", "/links/l", "")
	if d["accepted"] != 1.0 || d["bytes_up"] != float64(len(sent)) || d["bytes_down"] != float64(len(sent)) {
		t.Fatal(d)
	}
}

func TestDelayIsOfOneDirectionAndKeepsOrder(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	c := dial(t, ctl.link(target))
	for _, d := range []string{"up", "down"} {
		ctl.state(fmt.Sprintf(`{%q: {"delay_ms": 60, "jitter_ms": 40}}`, d))
		begin := time.Now()
		for i := range 20 {
			say(t, c, string(rune('a'+i)))
		}
		hear(t, c, "abcdefghijklmnopqrst")
		if took := time.Since(begin); took < 60*time.Millisecond {
			t.Fatalf("%s: back after %v", d, took)
		}
	}
}

func TestSlowBytes(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	c := dial(t, ctl.link(target))
	ctl.state(`{"down": {"bytes_per_second": 1000}}`)
	begin := time.Now()
	say(t, c, strings.Repeat("x", 200))
	hear(t, c, strings.Repeat("x", 200))
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Fatalf("200 bytes at 1000 a second took %v", took)
	}
}

func TestHoldOfEachDirection(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	c := dial(t, ctl.link(target))
	for _, held := range []string{`{"up": {"hold": true}}`, `{"down": {"hold": true}}`, `{"up": {"hold": true}, "down": {"hold": true}}`} {
		ctl.state(held)
		say(t, c, "held")
		silence(t, c)
		ctl.state(`{}`)
		hear(t, c, "held")
	}
}

func TestNewConnectionToAHeldLinkGetsNoAnswer(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	address := ctl.link(target)
	ctl.state(`{"up": {"hold": true}}`)
	c := dial(t, address)
	say(t, c, "hello")
	silence(t, c)
	ctl.state(`{}`)
	hear(t, c, "hello")
}

func TestRefuseTakesItsPortAgain(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	address := ctl.link(target)
	open := dial(t, address)
	say(t, open, "a")
	hear(t, open, "a")
	ctl.state(`{"refuse": true}`)
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v", err)
	}
	say(t, open, "b") // what is open stays open
	hear(t, open, "b")
	ctl.state(`{}`)
	c := dial(t, address)
	say(t, c, "c")
	hear(t, c, "c")
}

func TestCutByResetAndByEnd(t *testing.T) {
	target, ends := echo(t)
	ctl := newControl(t)
	address := ctl.link(target)
	for how, want := range map[string]error{"rst": syscall.ECONNRESET, "fin": io.EOF} {
		c := dial(t, address)
		say(t, c, "a")
		hear(t, c, "a")
		if n := ctl.do("POST", "/links/l/cut", fmt.Sprintf(`{"how":%q}`, how))["count"]; n != 1.0 {
			t.Fatalf("%s: %v connections were cut", how, n)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Fatalf("%s: the client saw %v", how, err)
		}
		if err := <-ends; (err != nil) != (how == "rst") {
			t.Fatalf("%s: the target saw %v", how, err)
		}
	}
}

func TestHalfOpen(t *testing.T) {
	target, ends := echo(t)
	ctl := newControl(t)
	address := ctl.link(target)
	c := dial(t, address)
	say(t, c, "a")
	hear(t, c, "a")
	ctl.do("POST", "/links/l/cut", `{"how":"half"}`)
	if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the target saw %v", err)
	}
	say(t, c, "into the void")
	silence(t, c)
	say(t, c, "still there?")
	silence(t, c)
	again := dial(t, address) // a new connection is whole
	say(t, again, "b")
	hear(t, again, "b")
}

func TestTargetThatIsAwayResets(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	address := l.Addr().String()
	l.Close()
	c, err := net.Dial("tcp", newControl(t).link(address))
	if err == nil { // the reset may be as early as that
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v", err)
	}
}

func TestNewConnectionsGoToTheNewTarget(t *testing.T) {
	c := newControl(t)
	greeter := func(greeting string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				client, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = client.Write([]byte(greeting))
			}
		}()
		return l.Addr().String()
	}
	address := c.link(greeter("one\n"))
	connect := func() *bufio.Reader {
		client, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		_ = client.SetDeadline(time.Now().Add(patience))
		return bufio.NewReader(client)
	}
	greeted := func(want string) {
		t.Helper()
		if got, err := connect().ReadString('\n'); got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	greeted("one\n")
	c.do("PUT", "/links/l/target", fmt.Sprintf(`{"target":%q}`, greeter("two\n")))
	greeted("two\n")
	if status, _ := c.try("PUT", "/links/l/target", `{"target":"nowhere"}`); status != http.StatusBadRequest {
		t.Fatalf("a target without a port is answered %d", status)
	}
}

func TestMistakesOfATestAreErrors(t *testing.T) {
	target, _ := echo(t)
	ctl := newControl(t)
	ctl.link(target)
	for _, bad := range [][3]string{
		{"POST", "/links", `{"name":"l","target":"127.0.0.1:1"}`},
		{"POST", "/links", `{"name":"m","aim":"127.0.0.1:1"}`},
		{"PUT", "/links/l/state", `{"up": {"delay": 5}}`},
		{"PUT", "/links/l/state", `{"up": {"delay_ms": -5}}`},
		{"PUT", "/links/absent/state", `{}`},
		{"POST", "/links/l/cut", `{"how":"softly"}`},
		{"POST", "/links/l/rules", `{"status": 500}`},
		{"POST", "/links/l/certificate", `{}`},
	} {
		if status, _ := ctl.try(bad[0], bad[1], bad[2]); status < 400 {
			t.Errorf("%v: %d", bad, status)
		}
	}
}

// site is a web target: it counts its requests, and /watch sends lines until the client goes.
type site struct {
	*httptest.Server
	lines    chan string
	requests chan string
}

func newSite(t *testing.T) *site {
	s := &site{lines: make(chan string, 100), requests: make(chan string, 100)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.requests <- r.Method + " " + r.URL.RequestURI() + " " + string(body) + r.Header.Get("Authorization")
		if r.URL.Path != "/watch" {
			w.Header().Set("X-From", "site")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "the answer of the site")
			return
		}
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case l := <-s.lines:
				_, _ = io.WriteString(w, l+"\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

type webLink struct {
	*control
	site   *site
	url    string
	client *http.Client
}

func newWebLink(t *testing.T, http2 bool) *webLink {
	w := &webLink{control: newControl(t), site: newSite(t)}
	d := w.do("POST", "/links", fmt.Sprintf(`{"name":"l","target":%q,"web":true}`, w.site.Listener.Addr()))
	w.url = "https://" + d["address"].(string)
	w.client = clientOf(d["ca"].(string), http2)
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

func clientOf(ca string, http2 bool) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}}
}

func (w *webLink) rule(body string) { w.t.Helper(); w.do("POST", "/links/l/rules", body) }

// get returns status and body, or the error.
func (w *webLink) get(method, path string) (int, string, error) {
	request, _ := http.NewRequest(method, w.url+path, strings.NewReader("body "))
	request.Header.Set("Authorization", "Bearer x")
	answer, err := w.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func both(t *testing.T, test func(*testing.T, *webLink)) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) { test(t, newWebLink(t, http2)) })
	}
}

func TestWebPassesRequestsOn(t *testing.T) {
	both(t, func(t *testing.T, w *webLink) {
		status, body, err := w.get("PUT", "/a?b=c")
		if err != nil || status != http.StatusCreated || body != "the answer of the site" {
			t.Fatal(status, body, err)
		}
		if got := <-w.site.requests; got != "PUT /a?b=c body Bearer x" {
			t.Fatal(got)
		}
	})
}

func TestWebStatusWithAndWithoutExecution(t *testing.T) {
	both(t, func(t *testing.T, w *webLink) {
		w.rule(`{"method": "PUT,POST", "path": "/x", "status": 429, "retry_after": 3, "times": 1, "skip": 1}`)
		w.rule(`{"method": "GET", "status": 500, "execute": true}`)
		for _, want := range []int{201, 429, 201} {
			if status, _, err := w.get("PUT", "/x"); err != nil || status != want {
				t.Fatal(status, want, err)
			}
		}
		if status, _, err := w.get("PUT", "/y"); err != nil || status != 201 {
			t.Fatal(status, err)
		}
		for len(w.site.requests) > 0 {
			<-w.site.requests
		}
		if status, body, err := w.get("GET", "/"); err != nil || status != 500 || !strings.Contains(body, `"kind":"Status"`) {
			t.Fatal(status, body, err)
		}
		if len(w.site.requests) != 1 {
			t.Fatal("the target did not get the request")
		}
		w.do("DELETE", "/links/l/rules", "")
		if status, _, err := w.get("GET", "/"); err != nil || status != 201 {
			t.Fatal(status, err)
		}
	})
}

func TestWebCutAtEachPoint(t *testing.T) {
	both(t, func(t *testing.T, w *webLink) {
		for point, reaches := range map[string]int{"before": 0, "after": 1, "middle": 1} {
			w.do("DELETE", "/links/l/rules", "")
			w.rule(fmt.Sprintf(`{"cut": %q}`, point))
			// PATCH is not idempotent, so that Go's client does not repeat it.
			status, body, err := w.get("PATCH", "/")
			if err == nil || (status != 0) != (point == "middle") {
				t.Fatal(point, status, body, err)
			}
			if len(w.site.requests) != reaches {
				t.Fatalf("%s: the target got %d requests", point, len(w.site.requests))
			}
			for len(w.site.requests) > 0 {
				<-w.site.requests
			}
		}
		if open := w.do("GET", "/links/l", "")["accepted"]; open.(float64) < 3 {
			t.Fatalf("a cut must end the connection, but there were only %v", open)
		}
	})
}

func TestWebHangsUntilTheRulesAreTakenAway(t *testing.T) {
	both(t, func(t *testing.T, w *webLink) {
		for point, reaches := range map[string]int{"before": 0, "after": 1} {
			w.rule(fmt.Sprintf(`{"hang": %q}`, point))
			ended := make(chan error)
			go func() { _, _, err := w.get("PATCH", "/"); ended <- err }()
			for w.do("GET", "/links/l", "")["rules"].([]any)[0].(map[string]any)["hits"] != 1.0 {
				time.Sleep(time.Millisecond)
			}
			select {
			case err := <-ended:
				t.Fatal("it did not hang", err)
			case <-time.After(50 * time.Millisecond):
			}
			w.do("DELETE", "/links/l/rules", "")
			if err := <-ended; err == nil {
				t.Fatal("a request that hung was answered")
			}
			if len(w.site.requests) != reaches {
				t.Fatalf("%s: the target got %d requests", point, len(w.site.requests))
			}
			for len(w.site.requests) > 0 {
				<-w.site.requests
			}
		}
	})
}

func TestWebWatchLines(t *testing.T) {
	event := func(kind string, n int) string { return fmt.Sprintf(`{"type":"%s","object":%d}`, kind, n) }
	for rule, want := range map[string]string{
		`{}`:               "A0 M1 M2 B M3 M4 D5",
		`{"swap": true}`:   "A0 M2 M1 B M4 M3 D5",
		`{"repeat": true}`: "A0 M1 M1 M2 M2 B M3 M3 M4 M4 D5",
		`{"drop": 2}`:      "A0 M1 B M3 D5",
		`{"delay_ms": 60}`: "A0 M1 M2 B M3 M4 D5",
	} {
		w := newWebLink(t, true)
		w.rule(`{"path": "/watch", "events": ` + rule + `}`)
		request, _ := http.NewRequest("GET", w.url+"/watch?watch=1", nil)
		answer, err := w.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		sent := time.Now()
		for n, kind := range []string{"ADDED", "MODIFIED", "MODIFIED", "BOOKMARK", "MODIFIED", "MODIFIED", "DELETED"} {
			if kind == "BOOKMARK" {
				w.site.lines <- event(kind, 9)
			} else {
				w.site.lines <- event(kind, n-min(1, n/4))
			}
		}
		var got []string
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			var e struct {
				Type   string
				Object int
			}
			_ = json.Unmarshal(lines.Bytes(), &e)
			text := fmt.Sprintf("%c%d", e.Type[0], e.Object)
			got = append(got, strings.TrimSuffix(text, "9"))
			if e.Type == "DELETED" {
				break
			}
		}
		answer.Body.Close()
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", rule, got, want)
		}
		if strings.Contains(rule, "delay") && time.Since(sent) < 60*time.Millisecond {
			t.Errorf("%s: too early", rule)
		}
	}
}

func TestWebCertificates(t *testing.T) {
	w := newWebLink(t, true)
	first := w.do("GET", "/links/l", "")["ca"].(string)
	same := w.do("POST", "/links/l/certificate", `{"new_ca": false}`)["ca"].(string)
	if same != first {
		t.Fatal("another certificate of the same CA changed the CA")
	}
	if _, _, err := w.get("GET", "/"); err != nil {
		t.Fatal(err)
	}
	other := w.do("POST", "/links/l/certificate", `{"new_ca": true}`)["ca"].(string)
	w.client.CloseIdleConnections()
	var unknown x509.UnknownAuthorityError
	if _, _, err := w.get("GET", "/"); other == first || !errors.As(err, &unknown) {
		t.Fatalf("the former CA is still good for the new certificate: %v", err)
	}
	w.client = clientOf(other, true)
	if _, _, err := w.get("GET", "/"); err != nil {
		t.Fatal(err)
	}
}
