#!/bin/sh
# Builds the Go collector described by builder.yaml: build.sh OUTPUT, e.g. build.sh build/otelcol-ref
#
# Does nothing when OUTPUT is newer than builder.yaml. Builder and generated sources stay in
# $BATON_CACHE_DIR (default ~/.cache/baton).
# Exits with 77 when there is no suitable Go, and with another code when the build fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUTPUT" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../peers/go-check.sh"

if [ "$1" -nt "$here/builder.yaml" ]; then
    exit 0
fi
mkdir -p "$(dirname "$1")"
output=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")

version=$(sed -n 's/^  version: *//p' "$here/builder.yaml")
work=${BATON_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/baton}/reference-$version
mkdir -p "$work"
cd "$work"

if ! [ -x ./builder ]; then
    GOBIN=$work go install "go.opentelemetry.io/collector/cmd/builder@v$version"
fi
./builder --config "$here/builder.yaml"

# Renamed into place, so that nobody runs a half-written file.
cp src/otelcol-ref "$output.new"
mv "$output.new" "$output"
