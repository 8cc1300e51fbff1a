"""Namespaces, nodes, volumes and their claims."""
from objects import NAMESPACES, QUOTAS, Kind


def namespaces():
    k = Kind("namespaces")
    for name in (*NAMESPACES, QUOTAS):
        k.add(name)
    k.add("labelled", labels={"team": "x", "empty": "", "example.com/a.b_c-D": "v1.2_3-X"}, annotations={"note": "grüße, 世界 🚢"})
    k.add("n" + "0123456789" * 6 + "zz")
    # Without the controller that would empty it, a deleted namespace stays.
    k.add("going", annotations={"will": "go"}, deleted=True)
    return k.shapes


def condition(kind, status, **more):
    return {"type": kind, "status": status, **more}


GOOD = [condition("MemoryPressure", "False"), condition("DiskPressure", "False"), condition("PIDPressure", "False"),
        condition("Ready", "True", reason="KubeletReady", message="fine")]

# What the runs with everything on ask every node for.
CONDITIONS = ["Ready", "PIDPressure", "MemoryPressure", "NetworkUnavailable", "KernelDeadlock", "HTTPServer2Go", "odd-type", "example.com/Foo2Bar",
              "Absent", " outer blanks ", "a1b", "ÄÖü", "ABCDef", "x.y_z"]
ALLOCATABLES = ["cpu", "memory", "ephemeral-storage", "storage", "pods", "hugepages-2Mi", "hugepages-1Gi", "nvidia.com/gpu",
                "example.com/Foo2Bar", "absent.example.com/x"]


def nodes():
    k = Kind("nodes")
    k.add("bare")
    k.add("empty-status", status={})
    k.add("good", status={"conditions": GOOD, "allocatable": {"cpu": "3920m", "memory": "8Gi", "pods": "110", "ephemeral-storage": "95551679124"},
                          "nodeInfo": info("containerd://1.7.2")},
          labels={"kubernetes.io/hostname": "good", "topology.kubernetes.io/zone": "z1", "node-role.kubernetes.io/worker": "",
                  "k8s.node.name": "clash", "node.creation_timestamp": "clash"})
    k.add("not-ready", {"spec": {"unschedulable": True, "taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}},
          {"conditions": [condition("Ready", "False"), condition("DiskPressure", "True")], "allocatable": {"cpu": "1", "pods": "0"}})
    k.add("unknown", status={"conditions": [condition("Ready", "Unknown"), condition("PIDPressure", "Unknown")], "allocatable": {"cpu": "1k"}})
    k.add("no-ready", status={"conditions": [condition("DiskPressure", "Unknown"), condition("NetworkUnavailable", "True")],
                              "allocatable": {"memory": "0"}, "nodeInfo": info("docker://")})
    k.add("odd-texts", status={"conditions": [condition("Ready", "Maybe"), condition("PIDPressure", "TRUE"), condition("KernelDeadlock", "False"),
                                              condition("HTTPServer2Go", "True"), condition("odd-type", "Unknown"),
                                              condition("example.com/Foo2Bar", "True"), condition("ÄÖü", "True"), condition("", "True")],
                               "nodeInfo": info("cri-o://1.30 ø", osImage="Garden Linux 1877.3 – ß", operatingSystem="Linux",
                                                kubeletVersion="v1.35.0-gke.1+x")})
    k.add("allocatable-odd", status={"conditions": GOOD, "allocatable": {
        "cpu": "1e3", "memory": "1500m", "ephemeral-storage": "1.5Gi", "pods": "5e0", "hugepages-2Mi": "4Mi", "hugepages-1Gi": "0",
        "nvidia.com/gpu": "8", "example.com/Foo2Bar": "12", "attachable-volumes-aws-ebs": "39"}, "nodeInfo": info("a://b://c")})
    k.add("allocatable-huge", status={"conditions": GOOD, "allocatable": {
        "cpu": "10E", "memory": "10E", "ephemeral-storage": "9223372036854775808", "pods": "9223372036854775807", "hugepages-2Mi": "16Ei",
        "nvidia.com/gpu": "1e19", "example.com/Foo2Bar": "1E"}, "nodeInfo": info("://")})
    k.add("allocatable-small", status={"allocatable": {
        "cpu": "1n", "memory": "1n", "ephemeral-storage": "1Ki", "pods": "1k", "nvidia.com/gpu": "12e6"}, "nodeInfo": info("containerd")})
    k.add("twice", status={"conditions": [condition("Ready", "False"), condition("Ready", "True"), condition("ABCDef", "True"),
                                          condition(" outer blanks ", "True"), condition("a1b", "False"), condition("x.y_z", "True")]})
    k.add("leaving", labels={"a": "b"}, finalizers=["example.com/stay"], deleted=True)
    k.add("owned", ownerReferences=[{"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Machine", "name": "m", "uid": "m-1"}],
          status={"conditions": GOOD[3:], "nodeInfo": info("containerd://")})
    k.add("long-" + ".".join(["node0123456789" * 4] * 4) + ".example.com", status={"conditions": GOOD})
    k.add("capacity-only", status={"capacity": {"cpu": "4", "memory": "1Gi"}, "phase": "Running"})
    return k.shapes


def info(runtime, **more):
    return {"machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "6.1", "osImage": "", "kubeProxyVersion": "", "architecture": "amd64",
            "operatingSystem": "linux", "kubeletVersion": "v1.35.0", **more, "containerRuntimeVersion": runtime}


def volumes():
    k = Kind("persistentvolumes")
    spec = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp/x"}}
    k.add("pv-plain", {"spec": spec})
    k.add("pv-bound", {"spec": {**spec, "storageClassName": "fast", "persistentVolumeReclaimPolicy": "Delete"}}, {"phase": "Bound"},
          labels={"a": "b"}, annotations={"note": "日本", "kubectl.kubernetes.io/last-applied-configuration": "{}"})
    k.add("pv-failed", {"spec": {**spec, "capacity": {"storage": "1e3"}}}, {"phase": "Failed", "reason": "x"})
    c = Kind("persistentvolumeclaims")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1.5Gi"}}}
    c.add("claim-plain", {"spec": spec})
    c.add("claim-bound", {"spec": {**spec, "storageClassName": "fast", "volumeName": "pv-bound"}},
          {"phase": "Bound", "capacity": {"storage": "5Gi"}}, labels={"a": "b"})
    c.add("claim-lost", {"spec": {**spec, "storageClassName": ""}}, {"phase": "Lost"})
    return k.shapes + c.shapes
