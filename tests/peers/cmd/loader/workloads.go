package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// replicas is how many pods deployment i owns.
func (s *sizes) replicas(i int) *int32 {
	n := int32((s.pods + s.deployments - 1 - i) / s.deployments)
	return &n
}

func (s *sizes) selector(i int) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": appName(i)}}
}

func (s *sizes) template(i int) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: s.meta("", i).Labels}, Spec: s.podSpec(i)}
}

func (s *sizes) deployment(i int) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: s.meta(appName(i), i),
		Spec: appsv1.DeploymentSpec{Replicas: s.replicas(i), Selector: s.selector(i), Template: s.template(i)}}
}

func deploymentStatus(d *appsv1.Deployment) {
	n := *d.Spec.Replicas
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
		Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue,
			Reason: "MinimumReplicasAvailable", LastUpdateTime: began, LastTransitionTime: began}}}
}

func (s *sizes) replicaSet(i int, owner types.UID) *appsv1.ReplicaSet {
	meta := s.meta(replicaSetName(i), i, "pod-template-hash", hash("rs %d", i)[:10])
	meta.OwnerReferences = controlledBy("apps/v1", "Deployment", appName(i), owner)
	return &appsv1.ReplicaSet{ObjectMeta: meta,
		Spec: appsv1.ReplicaSetSpec{Replicas: s.replicas(i), Selector: s.selector(i), Template: s.template(i)}}
}

func replicaSetStatus(r *appsv1.ReplicaSet) {
	n := *r.Spec.Replicas
	r.Status = appsv1.ReplicaSetStatus{ObservedGeneration: 1, Replicas: n, FullyLabeledReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
}

func (s *sizes) statefulSet(i int) *appsv1.StatefulSet {
	n := int32(3)
	return &appsv1.StatefulSet{ObjectMeta: s.meta(fmt.Sprintf("db-%03d", i), i),
		Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: s.selector(i), Template: s.template(i), ServiceName: "db"}}
}

func statefulSetStatus(t *appsv1.StatefulSet) {
	t.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 3, ReadyReplicas: 3, CurrentReplicas: 3, UpdatedReplicas: 3,
		AvailableReplicas: 3, CurrentRevision: t.Name + "-1", UpdateRevision: t.Name + "-1"}
}

func (s *sizes) daemonSet(i int) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: s.meta(fmt.Sprintf("agent-%03d", i), i),
		Spec: appsv1.DaemonSetSpec{Selector: s.selector(i), Template: s.template(i)}}
}

func (s *sizes) daemonSetStatus(d *appsv1.DaemonSet) {
	n := int32(s.nodes)
	d.Status = appsv1.DaemonSetStatus{ObservedGeneration: 1, CurrentNumberScheduled: n, DesiredNumberScheduled: n, NumberReady: n,
		UpdatedNumberScheduled: n, NumberAvailable: n}
}

func (s *sizes) job(i int) *batchv1.Job {
	n := int32(1 + i%3)
	template := s.template(i)
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{ObjectMeta: s.meta(fmt.Sprintf("job-%04d", i), i),
		Spec: batchv1.JobSpec{Completions: &n, Parallelism: &n, Template: template}}
}

func jobStatus(j *batchv1.Job) {
	j.Status = batchv1.JobStatus{Active: *j.Spec.Parallelism, StartTime: &began}
}

func (s *sizes) cronJob(i int) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: s.meta(fmt.Sprintf("cron-%03d", i), i),
		Spec: batchv1.CronJobSpec{Schedule: "*/5 * * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent,
			JobTemplate: batchv1.JobTemplateSpec{Spec: s.job(i).Spec}}}
}

func (s *sizes) cronJobStatus(c *batchv1.CronJob) {
	c.Status = batchv1.CronJobStatus{LastScheduleTime: &began,
		Active: []corev1.ObjectReference{{APIVersion: "batch/v1", Kind: "Job", Namespace: c.Namespace, Name: c.Name + "-1"}}}
}

func (s *sizes) hpa(i int) *autoscalingv2.HorizontalPodAutoscaler {
	least, percent := int32(1), int32(80)
	return &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: s.meta(appName(i), i),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: &least, MaxReplicas: 20,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: appName(i)},
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: "cpu", Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}}}}}}
}

func hpaStatus(h *autoscalingv2.HorizontalPodAutoscaler) {
	h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 10, DesiredReplicas: 10, LastScaleTime: &began}
}

func (s *sizes) quota(i int) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: s.meta(fmt.Sprintf("quota-%03d", i), i), Spec: corev1.ResourceQuotaSpec{
		Hard: amounts("requests.cpu", "1k", "limits.memory", "10Ti", "pods", "100k", "count/jobs.batch", "500")}}
}

func quotaStatus(q *corev1.ResourceQuota) {
	q.Status = corev1.ResourceQuotaStatus{Hard: q.Spec.Hard,
		Used: amounts("requests.cpu", "26500m", "limits.memory", "640Gi", "pods", "1000", "count/jobs.batch", "5")}
}

func (s *sizes) service(i int) *corev1.Service {
	return &corev1.Service{ObjectMeta: s.meta(appName(i), i), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, Selector: s.selector(i).MatchLabels, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
}

func serviceStatus(*corev1.Service) {}

func (s *sizes) endpointSlice(i int) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  s.meta(appName(i)+"-"+hash("slice %d", i)[:5], i, discoveryv1.LabelServiceName, appName(i)),
		AddressType: discoveryv1.AddressTypeIPv4}
	yes := true
	for k := range 10 {
		z, node := zone(k), s.nodeName(i+k)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("100.64.%d.%d", i%250, k+1)},
			Zone: &z, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes}})
	}
	return slice
}

func (s *sizes) controller(i int) *corev1.ReplicationController {
	n := int32(2)
	template := s.template(i)
	return &corev1.ReplicationController{ObjectMeta: s.meta(fmt.Sprintf("rc-%03d", i), i),
		Spec: corev1.ReplicationControllerSpec{Replicas: &n, Selector: s.selector(i).MatchLabels, Template: &template}}
}

func controllerStatus(r *corev1.ReplicationController) {
	r.Status = corev1.ReplicationControllerStatus{Replicas: 2, ReadyReplicas: 2, AvailableReplicas: 2, ObservedGeneration: 1}
}
