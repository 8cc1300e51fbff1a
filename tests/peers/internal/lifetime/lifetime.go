// Package lifetime ends a test program in time: on SIGTERM, on SIGINT, and when the test that
// started it dies without having stopped it.
package lifetime

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const outliveFlag = "outlive-parent"

func init() {
	flag.Bool(outliveFlag, false, "do not stop when the parent process dies")

	// The kernel keeps the setting per thread. Only here we are certain to run on the main
	// thread, which lives as long as the process; flags are not parsed yet, so look ourselves.
	if !slices.Contains(os.Args, "--"+outliveFlag) {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0)
	}
}

// Context is cancelled when the program shall end.
func Context() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return ctx
}
