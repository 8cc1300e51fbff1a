#!/bin/sh
# Builds the Go programs that tests run against: build.sh OUTDIR
#
# Go's cache decides what has to be built, so a second run takes a second or two.
# Exits with 77 when there is no suitable Go, and with another code when a build fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUTDIR" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
. "$here/go-check.sh"

mkdir -p "$1"
out=$(cd "$1" && pwd)

# kubectl and client-go parse the server's version; without a stamp it is v0.0.0-master.
stamp=k8s.io/component-base/version
version=$(cd "$here/../apiserver" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
major=$(echo "$version" | sed 's/^v\([0-9]*\).*/\1/')
minor=$(echo "$version" | sed 's/^v[0-9]*\.\([0-9]*\).*/\1/')

cd "$here/../apiserver"
go build -trimpath -o "$out/apiserver" -ldflags "-s -w \
    -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor" .

cd "$here"
go build -trimpath -o "$out/" -ldflags "-s -w" ./cmd/...
