"""Services and endpoint slices."""
from objects import Kind

PORTS = [{"name": "http", "port": 80}]


def shapes():
    return services() + endpoint_slices()


def services():
    k = Kind("services")

    def spec(kind="ClusterIP", **more):
        return {"spec": {"type": kind, "ports": PORTS, **more}}

    def ingress(*entries):
        return {"loadBalancer": {"ingress": list(entries)}}
    address = {"ip": "192.0.2.1"}
    k.add("web", spec("LoadBalancer", selector={"app": "web"}), ingress(address), namespace="odd-a", labels={"a": "b"}, annotations={
        "note": "straße ☂", "kubectl.kubernetes.io/last-applied-configuration": "{}", "empty": "", "example.com/x": "a\nb\t\"c\""})
    k.add("all", spec(), namespace="odd-a")  # without a selector
    k.add("also-web", spec(selector={"app": "web", "tier": "front"}), namespace="odd-a")
    k.add("zweb", spec(selector={"tier": "front"}), namespace="odd-b")
    k.add("aweb", spec(selector={"app": "web"}), namespace="odd-b")
    k.add("headless", spec(clusterIP="None", selector={"app": "db"}, publishNotReadyAddresses=True), namespace="odd-c")
    k.add("headless-no-ports", {"spec": {"clusterIP": "None", "selector": {"app": "db"}}}, namespace="odd-a")
    k.add("node-port", spec("NodePort", selector={"app": "web"}, externalTrafficPolicy="Local"))
    k.add("external", {"spec": {"type": "ExternalName", "externalName": "db.example.com"}}, labels={"app": "web"})
    k.add("external-selector", {"spec": {"type": "ExternalName", "externalName": "x.example.com", "selector": {"app": "web"}}}, namespace="odd-c")
    k.add("lb-pending", spec("LoadBalancer", selector={"a": ""}))
    k.add("lb-empty", spec("LoadBalancer"), ingress())
    k.add("lb-three", spec("LoadBalancer", loadBalancerClass="example.com/x", selector={"app": "none"}),
          ingress({"hostname": "lb.example.com"}, {"ip": "2001:db8::1"}, {"ip": "192.0.2.7", "ipMode": "VIP", "ports": [
              {"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP", "error": "x.io/E"}]}))
    k.add("close", spec(selector={"app": "x"}, trafficDistribution="PreferClose"), namespace="odd-a")
    k.add("same-zone", spec("LoadBalancer", selector={"app": "x"}, trafficDistribution="PreferSameZone", sessionAffinity="ClientIP"))
    k.add("publishes-not", spec(publishNotReadyAddresses=False, internalTrafficPolicy="Local", selector={"example.com/a": "B_1"}))
    k.add("name", spec(selector={"app": "web"}), namespace="odd-c")
    k.add("conditions", spec(), {"conditions": [{"type": "x", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    k.add("s" + "0123456789" * 6 + "zz", spec(selector={"long": "x" * 63}))
    k.add("leaving", spec("LoadBalancer"), ingress(address, address), finalizers=["service.kubernetes.io/load-balancer-cleanup"], deleted=True)
    return k.shapes


def endpoint_slices():
    k = Kind("endpointslices")

    def of(service, name, kind="IPv4", endpoints=(), namespace="odd-a", labels=None, **more):
        labels = {"kubernetes.io/service-name": service} if labels is None else labels
        k.add(name, {"addressType": kind, "endpoints": list(endpoints), **more}, namespace=namespace, labels=labels)

    def at(address, zone=None, conditions=None, **more):
        return {"addresses": [address] if isinstance(address, str) else address, **({"zone": zone} if zone is not None else {}),
                **({"conditions": conditions} if conditions is not None else {}), **more}
    draining = {"ready": False, "serving": True, "terminating": True}
    of("web", "web-1", endpoints=[at("10.1.0.1", "z1", {"ready": True}), at("10.1.0.2", "z1", draining), at("10.1.0.3", None, {})])
    of("web", "web-2", endpoints=[at("10.1.0.4", "z2"), at("10.1.0.5", "", {"ready": True})], ports=[{"name": "http", "port": 8080}])
    of("web", "web-6", "IPv6", [at("2001:db8::1", "z1", {"ready": False}), at("2001:db8::2", None, {"serving": True})])
    of("web", "web-names", "FQDN", [at("a.example.com"), at("b.example.com", "zone ü", {"terminating": True})])
    of("web", "web-empty")
    of("all", "many-addresses", endpoints=[at([f"10.2.0.{i}" for i in range(1, 60)], "z", {"ready": True, "serving": False})])
    of("all", "node-and-hints", endpoints=[at("10.2.1.1", "z", {"ready": True}, nodeName="good", hostname="h", targetRef={
        "kind": "Pod", "name": "p", "uid": "u"}, hints={"forZones": [{"name": "z"}]})])
    of("nobody", "no-such-service", endpoints=[at("10.3.0.1")])
    of("x", "no-label", endpoints=[at("10.3.0.2")], labels={})
    of("close", "of-close", endpoints=[at("10.3.0.9")], namespace="odd-a")
    of("", "empty-label", endpoints=[at("10.3.0.3")])
    of("zweb", "other-namespace", endpoints=[at("10.3.0.4", "z1", {"ready": True})], namespace="odd-a")
    of("zweb", "right-namespace", endpoints=[at("10.3.0.5", "z1", {"serving": False})], namespace="odd-b")
    of("headless", "nil-conditions", endpoints=[at("10.4.0.1", "z1", {}), at("10.4.0.2", "z1", {"ready": False, "serving": False, "terminating": False})],
       namespace="odd-c")
    of("external", "of-external", "FQDN", [at("c.example.com", "z", draining)], namespace="odd-c")
    of("headless-no-ports", "thousand", endpoints=[at(f"10.5.{i // 250}.{i % 250 + 1}", f"z{i % 3}", {"ready": i % 7 != 0, "serving": i % 5 != 0,
                                                                                                   "terminating": i % 11 == 0}) for i in range(1000)])
    of("aweb", "long-zone", endpoints=[at("10.6.0.1", "z" * 63, {"ready": True})], namespace="odd-b")
    return k.shapes
