// Faultproxy stands between a replica and what it talks to, and makes the network fail as it is
// told: for tests.
//
// On standard output it prints `control <addr>`; control.go describes the control port. Each link
// is a listener and a target. Bytes pass a link unchanged, TLS included, late, slowly or not at
// all (pipe.go). A link of kind "web" ends TLS itself and understands requests, so that single
// answers and watch events can go wrong as well (web.go).
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"baton.test/peers/internal/lifetime"
)

func main() {
	control := flag.String("control", "127.0.0.1:0", "address of the control port")
	flag.Parse()
	if err := run(*control); err != nil {
		fmt.Fprintln(os.Stderr, "faultproxy:", err)
		os.Exit(1)
	}
}

func run(control string) error {
	l, err := net.Listen("tcp", control)
	if err != nil {
		return err
	}
	fmt.Println("control", l.Addr())
	server := &http.Server{Handler: controlHandler(newLinks())}
	go func() {
		<-lifetime.Context().Done()
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
