# Sourced by the build scripts: exits with 77, the code for "skipped", when there is no Go that
# can build the programs.

go_needed=1.25

go_skip() {
    echo "SKIPPED: $1. The tests against real peers need Go $go_needed or newer." >&2
    exit 77
}

command -v go >/dev/null 2>&1 || go_skip "go is not installed"

# A newer toolchain must not be fetched behind the user's back.
export GOTOOLCHAIN=local
# The scripts build whole modules; a workspace or flags of the user's must not change them.
export GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0

go_version=$(go env GOVERSION)
go_version=${go_version#go}
[ "$(printf '%s\n' "$go_needed" "$go_version" | sort -V | head -n 1)" = "$go_needed" ] ||
    go_skip "go is version $go_version"
