// Crlister does what a collector without watches does: each interval it lists the given resources
// with the dynamic client, whole, as JSON, and walks their status. Benches compare with it. One JSON
// line for each tick tells what the tick cost.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"baton.test/peers/internal/lifetime"
	"baton.test/peers/internal/resource"
)

type options struct {
	kubeconfig string
	resources  resource.List
	interval   time.Duration
	ticks      int
}

// tick is the line that is printed; numbers are of this tick, but for RSS.
type tick struct {
	UnixNano    int64   `json:"unix_nano"`
	Objects     int     `json:"objects"`
	Points      int     `json:"points"`
	Requests    int64   `json:"requests"`
	Bytes       int64   `json:"bytes"` // of bodies, as decoded by the HTTP client
	CPUSeconds  float64 `json:"cpu_seconds"`
	WallSeconds float64 `json:"wall_seconds"`
	RSSBytes    int64   `json:"rss_bytes"`
	PeakBytes   int64   `json:"peak_rss_bytes"`
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flag.Var(&o.resources, "resource", "group/version/plural to list; may repeat")
	flag.DurationVar(&o.interval, "interval", 30*time.Second, "time between two ticks")
	flag.IntVar(&o.ticks, "ticks", 0, "end after so many; 0 is never")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "crlister:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if len(o.resources) == 0 || o.interval <= 0 {
		return errors.New("needs --resource, and an --interval above zero")
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	var traffic counter
	config.Wrap(traffic.wrap)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx := lifetime.Context()
	ticker := time.NewTicker(o.interval)
	defer ticker.Stop()
	out := json.NewEncoder(os.Stdout)
	for n := 1; ctx.Err() == nil; n++ {
		if err := collect(ctx, client, o.resources, &traffic, out); err != nil && ctx.Err() == nil {
			return err
		}
		if n == o.ticks {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

func collect(ctx context.Context, client dynamic.Interface, resources resource.List, traffic *counter, out *json.Encoder) error {
	start, cpu := time.Now(), cpuSeconds()
	requests, bytes := traffic.requests.Load(), traffic.bytes.Load()
	t := tick{UnixNano: start.UnixNano()}
	for _, r := range resources {
		list, err := client.Resource(r).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list %s: %w", r, err)
		}
		t.Objects += len(list.Items)
		for i := range list.Items {
			t.Points += points(&list.Items[i])
		}
	}
	t.Requests, t.Bytes = traffic.requests.Load()-requests, traffic.bytes.Load()-bytes
	t.CPUSeconds, t.WallSeconds = cpuSeconds()-cpu, time.Since(start).Seconds()
	t.RSSBytes, t.PeakBytes = memory("VmRSS:"), memory("VmHWM:")
	return out.Encode(t)
}

// points counts what would be emitted for one object: its state, and each sound condition.
func points(object *unstructured.Unstructured) int {
	status, ok := object.Object["status"].(map[string]any)
	if !ok {
		return 0
	}
	count := 0
	if _, ok := status["state"].(string); ok {
		count++
	}
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok {
			continue
		}
		_, hasType := condition["type"].(string)
		_, hasStatus := condition["status"].(string)
		_, hasReason := condition["reason"].(string)
		if hasType && hasStatus && hasReason {
			count++
		}
	}
	return count
}

// counter counts requests and the bytes of their answers.
type counter struct{ requests, bytes atomic.Int64 }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		c.requests.Add(1)
		response, err := next.RoundTrip(r)
		if err == nil {
			response.Body = &countedBody{response.Body, c}
		}
		return response, err
	})
}

type countedBody struct {
	io.ReadCloser
	counter *counter
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.counter.bytes.Add(int64(n))
	return n, err
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

// memory reads one line of /proc/self/status, in bytes.
func memory(key string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == key {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}
