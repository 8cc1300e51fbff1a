package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	managedBy = "app.kubernetes.io/managed-by"
	loader    = "loader"
)

// began is when everything of the generated cluster began.
var began = metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func hash(format string, arguments ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, arguments...))
	return hex.EncodeToString(sum[:])
}

func amount(text string) resource.Quantity { return resource.MustParse(text) }

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = amount(pairs[i+1])
	}
	return list
}

func (s *sizes) namespaceName(i int) string { return fmt.Sprintf("load-%d", i%s.namespaces) }

// namespaceOf is where deployment i is, and object i of any other kind.
func (s *sizes) namespaceOf(i int) string { return s.namespaceName(i) }

func (s *sizes) nodeName(i int) string {
	return fmt.Sprintf("node-%04d.europe-west4.compute.internal", i%s.nodes)
}

func appName(deployment int) string { return fmt.Sprintf("app-%05d", deployment) }

func replicaSetName(deployment int) string {
	return appName(deployment) + "-" + hash("rs %d", deployment)[:10]
}

func podName(pod, deployment int) string {
	return replicaSetName(deployment) + "-" + hash("pod %d", pod)[:5] + fmt.Sprintf("%d", pod)
}

// meta is for object i of a kind; labels are what all of an application's objects carry.
func (s *sizes) meta(name string, i int, more ...string) metav1.ObjectMeta {
	labels := map[string]string{
		managedBy:                    loader,
		"app.kubernetes.io/name":     appName(i),
		"app.kubernetes.io/instance": appName(i) + "-production",
		"app.kubernetes.io/version":  fmt.Sprintf("1.%d.0", i%40),
		"team":                       fmt.Sprintf("team-%02d", i%25),
	}
	for k := 0; k < len(more); k += 2 {
		labels[more[k]] = more[k+1]
	}
	return metav1.ObjectMeta{Name: name, Namespace: s.namespaceOf(i), Labels: labels}
}

func controlledBy(version, kind, name string, uid types.UID) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: uid, Controller: &yes, BlockOwnerDeletion: &yes}}
}

func (s *sizes) namespace(i int) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespaceName(i), Labels: map[string]string{managedBy: loader}}}
}

func (s *sizes) node(i int) *corev1.Node {
	name := s.nodeName(i)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			managedBy:                          loader,
			"kubernetes.io/hostname":           name,
			"kubernetes.io/arch":               "amd64",
			"kubernetes.io/os":                 "linux",
			"node.kubernetes.io/instance-type": "m5.4xlarge",
			"topology.kubernetes.io/region":    "europe-west4",
			"topology.kubernetes.io/zone":      zone(i),
		}},
		Spec: corev1.NodeSpec{PodCIDR: fmt.Sprintf("10.%d.%d.0/24", 64+i/256, i%256), ProviderID: "aws:///" + hash("node %d", i)[:17]},
	}
}

func zone(i int) string { return "europe-west4-" + string(rune('a'+i%3)) }

func (s *sizes) nodeStatus(node *corev1.Node) {
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, LastHeartbeatTime: began, LastTransitionTime: began}
	}
	node.Status = corev1.NodeStatus{
		Capacity:    amounts("cpu", "16", "memory", "65837236Ki", "pods", "250", "ephemeral-storage", "104845292Ki", "hugepages-2Mi", "0"),
		Allocatable: amounts("cpu", "15890m", "memory", "62691508Ki", "pods", "250", "ephemeral-storage", "95551679124", "hugepages-2Mi", "0"),
		Conditions: []corev1.NodeCondition{
			condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
			condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
			condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
			condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
		},
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.250.0.4"}, {Type: corev1.NodeHostName, Address: node.Name}},
		NodeInfo: corev1.NodeSystemInfo{MachineID: hash("%s", node.Name)[:32], KernelVersion: "6.12.40", OSImage: "Garden Linux 1877.3",
			ContainerRuntimeVersion: "containerd://2.1.4", KubeletVersion: "v1.35.0", OperatingSystem: "linux", Architecture: "amd64"},
	}
	for k := range 20 {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{fmt.Sprintf("registry.example.com/apps/app-%05d@sha256:%s", k, hash("image %d", k))}, SizeBytes: int64(k+1) << 24})
	}
}

// pod belongs to the replica set of deployment i%deployments, and is in its namespace.
func (s *sizes) pod(i int, owner types.UID) *corev1.Pod {
	app := i % s.deployments
	meta := s.meta(podName(i, app), app, "pod-template-hash", hash("rs %d", app)[:10])
	meta.Annotations = map[string]string{"prometheus.io/scrape": "true", "checksum/config": hash("config %d", app)}
	meta.OwnerReferences = controlledBy("apps/v1", "ReplicaSet", replicaSetName(app), owner)
	spec := s.podSpec(app)
	spec.NodeName = s.nodeName(i)
	return &corev1.Pod{ObjectMeta: meta, Spec: spec}
}

func image(app int, container string) string {
	return fmt.Sprintf("registry.example.com:5000/team-%02d/%s:1.%d.0", app%25, container, app%40)
}

func (s *sizes) podSpec(app int) corev1.PodSpec {
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 10, FailureThreshold: 3, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}}}
	}
	env := []corev1.EnvVar{
		{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		{Name: "DATABASE_URL", Value: fmt.Sprintf("postgres://db.%s.svc.cluster.local:5432/%s", s.namespaceOf(app), appName(app))},
		{Name: "LOG_LEVEL", Value: "info"},
		{Name: "JAVA_TOOL_OPTIONS", Value: "-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"},
	}
	mounts := []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}}
	no := false
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		Containers: []corev1.Container{
			{Name: "app", Image: image(app, "app"), Env: env, VolumeMounts: mounts,
				Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				LivenessProbe: probe("/healthz"), ReadinessProbe: probe("/readyz"),
				Resources: corev1.ResourceRequirements{
					Requests: amounts("cpu", "250m", "memory", "256Mi", "ephemeral-storage", "1Gi"),
					Limits:   amounts("cpu", "1", "memory", "512Mi")}},
			{Name: "proxy", Image: image(app, "proxy"), VolumeMounts: mounts[1:], Env: env[:1],
				Resources: corev1.ResourceRequirements{
					Requests: amounts("cpu", "10m", "memory", "64Mi", "ephemeral-storage", "100Mi"),
					Limits:   amounts("cpu", "200m", "memory", "128Mi")}},
		},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: appName(app)}}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
}

// podStatus writes what a kubelet would have by round `round` of changes: now and then a container
// has been started again, or is not ready.
func (s *sizes) podStatus(i, round int) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		at := metav1.NewTime(began.Add(time.Duration(i%3600+60*round) * time.Second))
		ready := (i+round)%50 != 7
		pod.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, QOSClass: corev1.PodQOSBurstable, StartTime: &at,
			HostIP: fmt.Sprintf("10.250.%d.%d", i%s.nodes/250, 4+i%s.nodes%250),
			PodIP:  fmt.Sprintf("100.%d.%d.%d", 64+i/62500, i/250%250, 1+i%250),
		}
		pod.Status.HostIPs = []corev1.HostIP{{IP: pod.Status.HostIP}}
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
		for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady,
			corev1.ContainersReady, corev1.PodScheduled} {
			status := corev1.ConditionTrue
			if !ready && (kind == corev1.PodReady || kind == corev1.ContainersReady) {
				status = corev1.ConditionFalse
			}
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: at})
		}
		for k, container := range pod.Spec.Containers {
			restarts := (i%97)/90 + round*(1-k)
			started := ready || k > 0
			state := corev1.ContainerStatus{
				Name: container.Name, Image: container.Image, Ready: started, Started: &started, RestartCount: int32(restarts),
				ImageID:     fmt.Sprintf("registry.example.com:5000/%s@sha256:%s", container.Name, hash("image of %d", i%s.deployments)),
				ContainerID: "containerd://" + hash("container %d %d %d", i, k, restarts),
				State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
			}
			if restarts > 0 {
				state.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", StartedAt: began,
					FinishedAt: at, ContainerID: "containerd://" + hash("container %d %d %d", i, k, restarts-1)}
			}
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, state)
		}
	}
}
