package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	stride      = 7919 // a prime: steps visit the pods in an order without pattern
	replaceStep = 8    // every 8th step replaces its pod: 3 changes, after 7 of one change
)

// churner changes pods of an earlier load. Of ten changes seven are new statuses, and three are the
// deletion of a pod, its creation anew, and the status of the new one.
type churner struct {
	options
	client      kubernetes.Interface
	replicaSets map[string]types.UID // by name
	changes     atomic.Int64
}

func churn(ctx context.Context, client kubernetes.Interface, o options) (int, error) {
	list, err := client.AppsV1().ReplicaSets("").List(ctx, metav1.ListOptions{LabelSelector: managedBy + "=" + loader})
	if err != nil {
		return 0, err
	}
	c := &churner{options: o, client: client, replicaSets: map[string]types.UID{}}
	for _, r := range list.Items {
		c.replicaSets[r.Name] = r.UID
	}
	if o.pods < 1 || len(c.replicaSets) < o.deployments {
		return 0, fmt.Errorf("there are %d replica sets for %d deployments: load with the same flags first", len(c.replicaSets), o.deployments)
	}
	return c.run(ctx)
}

// run hands out steps at the asked rate. A pod always goes to the same worker, so that the changes
// of one pod stay in order.
func (c *churner) run(ctx context.Context) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := min(c.workers, c.pods)
	queues := make([]chan int, workers)
	done := make(chan struct{})
	for w := range queues {
		queues[w] = make(chan int, 1000)
		go func() {
			defer func() { done <- struct{}{} }()
			for step := range queues[w] {
				if err := c.step(ctx, step); err != nil && ctx.Err() == nil {
					cancel(err)
				}
			}
		}()
	}
	start := time.Now()
	planned := 0.0
	for step := 0; ; step++ {
		due := time.Duration(planned / c.churn * float64(time.Second))
		if due.Seconds() >= c.seconds || !sleepUntil(ctx, start.Add(due)) {
			break
		}
		queues[step*stride%c.pods%workers] <- step
		if step%replaceStep == replaceStep-1 {
			planned += 3
		} else {
			planned++
		}
	}
	for _, queue := range queues {
		close(queue)
	}
	for range queues {
		<-done
	}
	return int(c.changes.Load()), context.Cause(ctx)
}

func sleepUntil(ctx context.Context, when time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(when)):
		return true
	}
}

func (c *churner) step(ctx context.Context, step int) error {
	if ctx.Err() != nil {
		return nil
	}
	i := step * stride % c.pods
	pod := c.pod(i, c.replicaSets[replicaSetName(i%c.deployments)])
	status := c.podStatus(i, 1+step/c.pods+step%3)
	pods := c.client.CoreV1().Pods(pod.Namespace)
	if step%replaceStep != replaceStep-1 {
		status(pod)
		_, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		c.changes.Add(1)
		return err
	}
	now := int64(0)
	err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err = put(ctx, pods, pod, status)
	c.changes.Add(3)
	return err
}
