package main

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// collection is what typed clients of all kinds have in common.
type collection interface {
	DeleteCollection(context.Context, metav1.DeleteOptions, metav1.ListOptions) error
}

// services adds to its client what the server has for the other kinds only.
type services struct {
	client    kubernetes.Interface
	namespace string
}

func (s services) DeleteCollection(ctx context.Context, options metav1.DeleteOptions, which metav1.ListOptions) error {
	list, err := s.client.CoreV1().Services(s.namespace).List(ctx, which)
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		if err := s.client.CoreV1().Services(s.namespace).Delete(ctx, item.Name, options); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes everything that carries the loader's label, and returns the number of collections.
func remove(ctx context.Context, client kubernetes.Interface, o options) (int, error) {
	which := metav1.ListOptions{LabelSelector: managedBy + "=" + loader}
	list, err := client.CoreV1().Namespaces().List(ctx, which)
	if err != nil {
		return 0, err
	}
	collections := []collection{client.CoreV1().Nodes()}
	for _, item := range list.Items {
		n := item.Name
		core, apps, batch := client.CoreV1(), client.AppsV1(), client.BatchV1()
		collections = append(collections, core.Pods(n), apps.ReplicaSets(n), apps.Deployments(n), apps.StatefulSets(n), apps.DaemonSets(n),
			batch.CronJobs(n), batch.Jobs(n), client.AutoscalingV2().HorizontalPodAutoscalers(n), core.ResourceQuotas(n),
			core.ReplicationControllers(n), client.DiscoveryV1().EndpointSlices(n), services{client, n})
	}
	now := int64(0)
	background := metav1.DeletePropagationBackground
	err = each(ctx, o.workers, len(collections), func(ctx context.Context, i int) error {
		return collections[i].DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &background}, which)
	})
	if err != nil {
		return 0, err
	}
	// Nobody else would finalize the namespaces: there are no controllers.
	err = each(ctx, o.workers, len(list.Items), func(ctx context.Context, i int) error {
		namespaces := client.CoreV1().Namespaces()
		if err := namespaces.Delete(ctx, list.Items[i].Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		item, err := namespaces.Get(ctx, list.Items[i].Name, metav1.GetOptions{})
		if err == nil {
			item.Spec.Finalizers = nil
			_, err = namespaces.Finalize(ctx, item, metav1.UpdateOptions{})
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	return len(collections) + len(list.Items), err
}
