// Candidate takes part in leader elections with client-go, for tests of mixed competition for one
// Lease. It prints one line for each event, each beginning with the wall clock in nanoseconds:
//
//	<unix_nanos> started            it was told that it leads
//	<unix_nanos> tick               it still believes so (every --tick)
//	<unix_nanos> stopped            it was told that it leads no more
//	<unix_nanos> leader <identity>  it saw a new holder, itself included
//
// Without --identity it is configured as the receiver of the past, singleton_receiver_creator, was:
// its identity is LEASE_HOLDER_ID, or the host name.
//
// After a loss it campaigns again. On SIGTERM it ends when client-go is done, which with
// --release includes giving back the Lease.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"baton.test/peers/internal/lifetime"
)

type options struct {
	kubeconfig, namespace, lease, identity string
	duration, renew, retry, tick           time.Duration
	release                                bool
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flag.StringVar(&o.namespace, "namespace", "default", "namespace of the Lease")
	flag.StringVar(&o.lease, "lease", "", "name of the Lease")
	flag.StringVar(&o.identity, "identity", "", "holder identity; $LEASE_HOLDER_ID, or the host name, if not given")
	flag.DurationVar(&o.duration, "duration", 15*time.Second, "lease duration")
	flag.DurationVar(&o.renew, "renew", 10*time.Second, "renew deadline")
	flag.DurationVar(&o.retry, "retry", 2*time.Second, "retry period")
	flag.DurationVar(&o.tick, "tick", 0, "print a line this often while leading; 0 is never")
	flag.BoolVar(&o.release, "release", false, "release the Lease when stopped (ReleaseOnCancel)")
	flag.Parse()
	if o.identity == "" {
		o.identity = os.Getenv("LEASE_HOLDER_ID")
	}
	return o
}

func main() {
	if err := run(parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, "candidate:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	if o.identity == "" {
		if o.identity, err = os.Hostname(); err != nil {
			return err
		}
	}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.namespace, Name: o.lease},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.identity},
	}
	ctx := lifetime.Context()
	for ctx.Err() == nil {
		if err := campaign(ctx, o, lock); err != nil {
			return err
		}
	}
	return nil
}

// campaign takes part until leadership was won and lost again, or ctx ends.
func campaign(ctx context.Context, o options, lock resourcelock.Interface) error {
	var t term
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   o.duration,
		RenewDeadline:   o.renew,
		RetryPeriod:     o.retry,
		ReleaseOnCancel: o.release,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				t.start()
				t.ticks(ctx, o.tick)
			},
			OnStoppedLeading: t.stop,
			OnNewLeader:      func(identity string) { event("leader " + identity) },
		},
	})
	if err != nil {
		return err
	}
	t.isLeader = elector.IsLeader
	elector.Run(ctx)
	return nil
}

// term keeps the lines of one term in order. client-go starts the work in a goroutine of its own,
// so the start of a very short term can come after its end; and it reports an end for a candidate
// that never led, too.
type term struct {
	lock       sync.Mutex
	led, ended bool
	isLeader   func() bool
}

func (t *term) start() {
	t.lock.Lock()
	defer t.lock.Unlock()
	if !t.ended {
		t.led = true
		event("started")
	}
}

func (t *term) stop() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.ended = true
	if t.led {
		event("stopped")
	}
}

func (t *term) ticks(ctx context.Context, every time.Duration) {
	if every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.lock.Lock()
			if !t.ended && ctx.Err() == nil && t.isLeader() {
				event("tick")
			}
			t.lock.Unlock()
		}
	}
}

var printing sync.Mutex

// event takes the time and prints under one lock, so that lines are in the order of their times.
func event(what string) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Fprintf(os.Stdout, "%d %s\n", time.Now().UnixNano(), what)
}
