package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// withStatus is what typed clients of kinds with a status have in common.
type withStatus[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	UpdateStatus(context.Context, T, metav1.UpdateOptions) (T, error)
}

// put creates the object and then writes its status through the subresource; an object that is
// there already is left as it is. setStatus gets what the server made of the object.
func put[T metav1.Object](ctx context.Context, r withStatus[T], object T, setStatus func(T)) (T, error) {
	made, err := r.Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return r.Get(ctx, object.GetName(), metav1.GetOptions{})
	}
	if err != nil {
		return made, fmt.Errorf("create %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	setStatus(made)
	made, err = r.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return made, fmt.Errorf("status of %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return made, nil
}

// load creates kind after kind: owners first, because their uids are written into what they own.
func load(ctx context.Context, client kubernetes.Interface, o options) (int, error) {
	deployments := make([]types.UID, o.deployments)
	replicaSets := make([]types.UID, o.deployments)
	total := 0
	for _, kind := range []struct {
		count int
		put   func(context.Context, int) error
	}{
		{o.namespaces, func(ctx context.Context, i int) error {
			_, err := client.CoreV1().Namespaces().Create(ctx, o.namespace(i), metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		}},
		{o.nodes, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.CoreV1().Nodes(), o.node(i), o.nodeStatus)
			return err
		}},
		{o.deployments, func(ctx context.Context, i int) error {
			made, err := put(ctx, client.AppsV1().Deployments(o.namespaceOf(i)), o.deployment(i), deploymentStatus)
			deployments[i] = made.GetUID()
			return err
		}},
		{o.deployments, func(ctx context.Context, i int) error {
			r := client.AppsV1().ReplicaSets(o.namespaceOf(i))
			made, err := put(ctx, r, o.replicaSet(i, deployments[i]), replicaSetStatus)
			replicaSets[i] = made.GetUID()
			return err
		}},
		{o.pods, func(ctx context.Context, i int) error {
			pod := o.pod(i, replicaSets[i%o.deployments])
			_, err := put(ctx, client.CoreV1().Pods(pod.Namespace), pod, o.podStatus(i, 0))
			return err
		}},
		{o.services, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.CoreV1().Services(o.namespaceOf(i)), o.service(i), serviceStatus)
			return err
		}},
		{o.services, func(ctx context.Context, i int) error {
			_, err := client.DiscoveryV1().EndpointSlices(o.namespaceOf(i)).Create(ctx, o.endpointSlice(i), metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		}},
		{o.statefulSets, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.AppsV1().StatefulSets(o.namespaceOf(i)), o.statefulSet(i), statefulSetStatus)
			return err
		}},
		{o.daemonSets, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.AppsV1().DaemonSets(o.namespaceOf(i)), o.daemonSet(i), o.daemonSetStatus)
			return err
		}},
		{o.jobs, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.BatchV1().Jobs(o.namespaceOf(i)), o.job(i), jobStatus)
			return err
		}},
		{o.cronJobs, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.BatchV1().CronJobs(o.namespaceOf(i)), o.cronJob(i), o.cronJobStatus)
			return err
		}},
		{o.hpas, func(ctx context.Context, i int) error {
			r := client.AutoscalingV2().HorizontalPodAutoscalers(o.namespaceOf(i))
			_, err := put(ctx, r, o.hpa(i), hpaStatus)
			return err
		}},
		{o.quotas, func(ctx context.Context, i int) error {
			_, err := put(ctx, client.CoreV1().ResourceQuotas(o.namespaceOf(i)), o.quota(i), quotaStatus)
			return err
		}},
		{o.controllers, func(ctx context.Context, i int) error {
			r := client.CoreV1().ReplicationControllers(o.namespaceOf(i))
			_, err := put(ctx, r, o.controller(i), controllerStatus)
			return err
		}},
	} {
		if err := each(ctx, o.workers, kind.count, kind.put); err != nil {
			return total, err
		}
		total += kind.count
	}
	return total, nil
}
