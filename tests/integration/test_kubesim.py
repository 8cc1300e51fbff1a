"""kubesim answers as a real kube-apiserver does: the cases of kubesim_vs_apiserver.py one by one, in their order."""
import os

import pytest

import kubesim_protobuf_cases as protobuf
import kubesim_vs_apiserver as compare


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    if not os.path.exists(compare.APISERVER):
        pytest.skip(f"SKIPPED, there is no {compare.APISERVER}: build it with tests/peers/build.sh, which needs Go")
    both = compare.start(str(tmp_path_factory.mktemp("servers")), compare.KUBESIM, compare.APISERVER, protobuf.Protoc())
    yield both
    for server in both:
        server.stop()


@pytest.mark.parametrize("case", compare.CASES + protobuf.CASES, ids=lambda function: function.__name__)
def test_same_answers(servers, case):
    if case in protobuf.CASES and servers[0].protoc.folder is None:
        pytest.skip("SKIPPED, protoc or Go's module cache with k8s.io/api is missing")
    found = compare.difference(compare.run_case(case, servers))
    assert found is None, found


def test_every_generated_kind_is_compared():
    assert protobuf.unused_samples() == set()
