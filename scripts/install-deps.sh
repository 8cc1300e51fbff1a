#!/bin/sh
# Installs the Debian 12 packages that are missing: `build` for the program, `test` for the tests and benches as well.
# docs/dependencies.md says why each is there.
set -eu

BUILD="gcc libc6-dev make meson ninja-build pkg-config python3 ca-certificates openssl
libuv1-dev libcurl4-openssl-dev libmicrohttpd-dev libssl-dev libyaml-dev libjson-c-dev libdeflate-dev libisal-dev libzstd-dev
libnghttp2-dev libpcre2-dev libcmocka-dev"
TEST="clang clang-format libclang-rt-14-dev llvm binutils python3-pytest python3-yaml protobuf-compiler curl nghttp2-server spin"

wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $BUILD" ;;
    test) wanted="$wanted $TEST" ;;
    *) echo "usage: $0 build|test ..." >&2; exit 2 ;;
    esac
done

missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
else
    echo "These packages are missing and only root can install them:$missing" >&2
    exit 1
fi
echo "Installing:$missing"
log=$(mktemp)
# shellcheck disable=SC2086
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
rm -f "$log"
