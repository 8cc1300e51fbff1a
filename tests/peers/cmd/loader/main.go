// Loader fills an API server with a generated cluster, fast: many workers, protobuf, no client side
// rate limit. The same flags make the same objects, apart from what the server assigns.
//
//	loader --kubeconfig F --pods 10000 --nodes 100 --deployments 1000   creates what is not there yet
//	loader --kubeconfig F --pods 10000 ... --churn 20 --seconds 60      changes pods of an earlier load
//	loader --kubeconfig F ... --delete                                  deletes what a load made
//
// At the end it prints one line: `loaded|churned|deleted <objects or changes> in <seconds> s`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"baton.test/peers/internal/lifetime"
)

// sizes are the numbers of objects of each kind; pods are spread over the replica sets, of which
// each deployment has one, and those over the namespaces.
type sizes struct {
	namespaces, nodes, deployments, pods                     int
	services, statefulSets, daemonSets, jobs, cronJobs, hpas int
	quotas, controllers                                      int
}

type options struct {
	sizes
	kubeconfig string
	workers    int
	churn      float64
	seconds    float64
	remove     bool
}

func parseFlags() (options, error) {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flag.IntVar(&o.workers, "workers", 32, "requests under way at once")
	flag.IntVar(&o.namespaces, "namespaces", 10, "namespaces load-0..")
	flag.IntVar(&o.nodes, "nodes", 100, "nodes")
	flag.IntVar(&o.deployments, "deployments", 1000, "deployments, each with a replica set")
	flag.IntVar(&o.pods, "pods", 10000, "pods of two containers, owned by the replica sets")
	flag.IntVar(&o.services, "services", 100, "services with an endpoint slice")
	flag.IntVar(&o.statefulSets, "statefulsets", 20, "stateful sets")
	flag.IntVar(&o.daemonSets, "daemonsets", 10, "daemon sets")
	flag.IntVar(&o.jobs, "jobs", 50, "jobs")
	flag.IntVar(&o.cronJobs, "cronjobs", 10, "cron jobs")
	flag.IntVar(&o.hpas, "hpas", 50, "horizontal pod autoscalers")
	flag.IntVar(&o.quotas, "quotas", 10, "resource quotas")
	flag.IntVar(&o.controllers, "replicationcontrollers", 5, "replication controllers")
	flag.Float64Var(&o.churn, "churn", 0, "change pods: `changes` a second, as a watch of pods sees them")
	flag.Float64Var(&o.seconds, "seconds", 60, "how long to churn")
	flag.BoolVar(&o.remove, "delete", false, "delete the objects of an earlier load, their namespaces included")
	flag.Parse()
	if o.namespaces < 1 || o.nodes < 1 || o.workers < 1 || o.pods > 0 && o.deployments < 1 {
		return o, errors.New("there must be a namespace, a node, a worker, and a deployment if there are pods")
	}
	return o, nil
}

func main() {
	o, err := parseFlags()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS = -1 // no limit
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cfg.AcceptContentTypes = cfg.ContentType
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	ctx := lifetime.Context()
	start := time.Now()
	what, count := "loaded", 0
	switch {
	case o.remove:
		what = "deleted"
		count, err = remove(ctx, client, o)
	case o.churn > 0:
		what = "churned"
		count, err = churn(ctx, client, o)
	default:
		count, err = load(ctx, client, o)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s %d in %.1f s\n", what, count, time.Since(start).Seconds())
	return nil
}

// each calls f(0)..f(count-1) from `workers` goroutines and returns the first error; no call starts
// after it.
func each(ctx context.Context, workers, count int, f func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	done := make(chan struct{})
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		}()
	}
	for i := 0; i < count && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	for range workers {
		<-done
	}
	return context.Cause(ctx)
}
