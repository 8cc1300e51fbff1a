"""/ready and /live, as a probe asks them."""
import json
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def port_of(world, replica):
    return world.expect(replica, "Serving readiness")[1]["port"]


def get(port, path="/ready"):
    """(status, decoded body)"""
    try:
        with OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    return status, json.loads(body)
