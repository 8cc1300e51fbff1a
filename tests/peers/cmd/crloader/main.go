// Crloader fills an API server with custom resources, for tests and benches of receivers that read
// their status: it installs a CustomResourceDefinition that accepts anything, creates objects with a
// status, and changes the status of some at a steady rate. What is there already stays as it is.
//
// The definition has no status subresource unless --subresource is given, so that one request
// creates an object together with its status.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"baton.test/peers/internal/lifetime"
	"baton.test/peers/internal/resource"
)

type options struct {
	kubeconfig, resource, kind, namespace, shape, prefix string
	objects, conditions, padding, workers                int
	cluster, subresource, remove, removeDefinition       bool
	churn                                                float64
	seconds                                              float64
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file")
	flag.StringVar(&o.resource, "resource", "operator.kyma-project.io/v1beta1/telemetries", "group/version/plural")
	flag.StringVar(&o.kind, "kind", "", "kind; the plural with a capital, without its last letter, if not given")
	flag.BoolVar(&o.cluster, "cluster", false, "objects have no namespace")
	flag.StringVar(&o.namespace, "namespace", "default", "namespace of the objects; it is created")
	flag.BoolVar(&o.subresource, "subresource", false, "status is a subresource, and is written by a second request")
	flag.IntVar(&o.objects, "objects", 100, "objects there shall be")
	flag.StringVar(&o.prefix, "prefix", "object-", "of their names; a number follows")
	flag.IntVar(&o.conditions, "conditions", 3, "conditions of each object")
	flag.StringVar(&o.shape, "shape", "sound", "sound, or odd: each shape of shapes.go in turn")
	flag.IntVar(&o.padding, "padding", 0, "bytes of text in spec, which no receiver wants")
	flag.IntVar(&o.workers, "workers", 16, "requests at once")
	flag.Float64Var(&o.churn, "churn", 0, "then change the status of so many objects a second")
	flag.Float64Var(&o.seconds, "seconds", 0, "for so long; 0 is until stopped")
	flag.BoolVar(&o.remove, "delete", false, "delete the objects instead")
	flag.BoolVar(&o.removeDefinition, "delete-definition", false, "delete the definition instead, and with it all its objects")
	flag.Parse()
	return o
}

func main() {
	if err := run(parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, "crloader:", err)
		os.Exit(1)
	}
}

type loader struct {
	options
	client  dynamic.Interface
	gvr     schema.GroupVersionResource
	objects dynamic.ResourceInterface
}

func run(o options) error {
	gvr, err := resource.Parse(o.resource)
	if err != nil {
		return err
	}
	if o.shape != "sound" && o.shape != "odd" {
		return fmt.Errorf("unknown shape %q: sound or odd", o.shape)
	}
	if o.kind == "" {
		o.kind = strings.ToUpper(gvr.Resource[:1]) + strings.TrimSuffix(gvr.Resource[1:], "s")
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // as fast as the server goes
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	l := &loader{options: o, client: client, gvr: gvr, objects: client.Resource(gvr)}
	if !o.cluster {
		l.objects = client.Resource(gvr).Namespace(o.namespace)
	}
	ctx := lifetime.Context()
	switch {
	case o.removeDefinition:
		return ignore(client.Resource(definitions).Delete(ctx, l.definitionName(), metav1.DeleteOptions{}), apierrors.IsNotFound)
	case o.remove:
		return l.forEach(ctx, func(i int) error {
			return ignore(l.objects.Delete(ctx, l.name(i), metav1.DeleteOptions{}), apierrors.IsNotFound)
		})
	}
	if err := l.install(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := l.forEach(ctx, func(i int) error { return l.create(ctx, i) }); err != nil {
		return err
	}
	fmt.Printf("%d objects of %s in %.1f s\n", o.objects, l.definitionName(), time.Since(start).Seconds())
	return l.change(ctx)
}

func ignore(err error, known func(error) bool) error {
	if err != nil && known(err) {
		return nil
	}
	return err
}

func (l *loader) name(i int) string { return fmt.Sprintf("%s%d", l.prefix, i) }

// forEach calls work for each number of an object, several at once, until one fails.
func (l *loader) forEach(ctx context.Context, work func(i int) error) error {
	var group sync.WaitGroup
	numbers, failed := make(chan int), make(chan error, l.workers)
	for range l.workers {
		group.Go(func() {
			for i := range numbers {
				if err := work(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var err error
	for i := 0; i < l.options.objects && err == nil; i++ {
		select {
		case numbers <- i:
		case err = <-failed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	close(numbers)
	group.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}

// ---- the definition ----

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func (l *loader) definitionName() string { return l.gvr.Resource + "." + l.gvr.Group }

func (l *loader) install(ctx context.Context) error {
	scope := "Namespaced"
	if l.cluster {
		scope = "Cluster"
	}
	version := map[string]any{
		"name": l.gvr.Version, "served": true, "storage": true,
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
	}
	if l.subresource {
		version["subresources"] = map[string]any{"status": map[string]any{}}
	}
	_, err := l.client.Resource(definitions).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": l.definitionName()},
		"spec": map[string]any{
			"group": l.gvr.Group, "scope": scope, "versions": []any{version},
			"names": map[string]any{"plural": l.gvr.Resource, "singular": strings.ToLower(l.kind), "kind": l.kind},
		},
	}}, metav1.CreateOptions{})
	if err := ignore(err, apierrors.IsAlreadyExists); err != nil {
		return err
	}
	if !l.cluster {
		namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
		_, err := l.client.Resource(namespaces).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": l.namespace}}}, metav1.CreateOptions{})
		if err := ignore(err, apierrors.IsAlreadyExists); err != nil {
			return err
		}
	}
	return l.waitServed(ctx)
}

// waitServed asks until the new resource answers.
func (l *loader) waitServed(ctx context.Context) error {
	const patience = 60 * time.Second
	for end := time.Now().Add(patience); ; {
		_, err := l.objects.List(ctx, metav1.ListOptions{Limit: 1})
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is not served after %s: %w", l.definitionName(), patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ---- objects ----

func (l *loader) create(ctx context.Context, i int) error {
	content := map[string]any{
		"apiVersion": l.gvr.GroupVersion().String(), "kind": l.kind,
		"metadata": map[string]any{"name": l.name(i), "labels": map[string]any{"app.kubernetes.io/managed-by": "crloader"}},
		"spec":     map[string]any{"padding": strings.Repeat("x", l.padding)},
	}
	status, has := l.status(i, 0)
	if has {
		content["status"] = status
	}
	created, err := l.objects.Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil || !l.subresource || !has {
		return err
	}
	created.Object["status"] = status
	_, err = l.objects.UpdateStatus(ctx, created, metav1.UpdateOptions{})
	return err
}

// status of the object after so many changes.
func (l *loader) status(i, change int) (any, bool) {
	if l.shape == "odd" && change == 0 {
		return odd(i)
	}
	return sound(l.conditions, i+change), true
}

// change gives objects a new status, one after the other, at the rate that was asked for.
func (l *loader) change(ctx context.Context) error {
	if l.churn <= 0 || l.options.objects <= 0 {
		return nil
	}
	start, count := time.Now(), 0
	for ctx.Err() == nil && (l.seconds <= 0 || time.Since(start).Seconds() < l.seconds) {
		due := start.Add(time.Duration(float64(count) / l.churn * float64(time.Second)))
		select {
		case <-ctx.Done():
			continue
		case <-time.After(time.Until(due)):
		}
		if err := l.patch(ctx, count%l.options.objects, 1+count/l.options.objects); err != nil && ctx.Err() == nil {
			return err
		}
		count++
	}
	fmt.Printf("%d changes in %.1f s\n", count, time.Since(start).Seconds())
	return nil
}

func (l *loader) patch(ctx context.Context, i, change int) error {
	status, _ := l.status(i, change)
	body, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	var under []string
	if l.subresource {
		under = []string{"status"}
	}
	_, err = l.objects.Patch(ctx, l.name(i), types.MergePatchType, body, metav1.PatchOptions{}, under...)
	return err
}
