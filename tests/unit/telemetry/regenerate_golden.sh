#!/bin/bash
# Writes golden/*.txt anew: what the debug exporter of the Go collector prints of the batches in golden_batches.h.
#
#   regenerate_golden.sh GO_COLLECTOR ENCODER
#
# GO_COLLECTOR: a collector, of the version whose text we follow, with the otlp receiver and the debug exporter.
# ENCODER:      the built program of test_debug_text.c; "ENCODER --write FOLDER" writes FOLDER/NAME.SIGNAL.otlp for each batch.
set -euo pipefail

collector=$(realpath "$1")
encoder=$(realpath "$2")
golden=$(realpath "$(dirname "$0")")/golden
work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_collector() { # VERBOSITY PORT
    cat >"$work/config.yaml" <<END
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:$2"}}}}
exporters: {debug: {verbosity: $1, use_internal_logger: false}}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [debug]}
    logs: {receivers: [otlp], exporters: [debug]}
    traces: {receivers: [otlp], exporters: [debug]}
END
    "$collector" --config "$work/config.yaml" >"$work/out" 2>"$work/err" &
    pid=$!
    for _ in $(seq 300); do
        curl -s -o /dev/null "http://127.0.0.1:$2/" && return
        kill -0 "$pid" || break
        sleep 0.1
    done
    cat "$work/err" >&2
    exit 1
}

mkdir -p "$golden" "$work/requests"
"$encoder" --write "$work/requests"
for verbosity in normal detailed; do
    port=$(free_port)
    start_collector "$verbosity" "$port"
    for request in "$work"/requests/*.otlp; do
        base=$(basename "$request" .otlp)
        name=${base%.*} signal=${base##*.}
        before=$(stat -c %s "$work/out")
        # The exporter has printed when the answer comes: there is no queue.
        curl -sS --fail-with-body -o /dev/null -H 'Content-Type: application/x-protobuf' \
            --data-binary "@$request" "http://127.0.0.1:$port/v1/$signal"
        # Without the line of counts in front, and without the end of line that the logger puts behind the text.
        tail -c "+$((before + 1))" "$work/out" | tail -n +2 | head -c -1 >"$golden/$name.$verbosity.txt"
    done
    kill "$pid"
    wait "$pid" || true
    pid=
done
wc -l "$golden"/*.txt
