// Otlpsink is an OTLP destination over gRPC, made with the official packages, for tests and
// benches. It writes one JSON line for each Export call and can be told to fail.
//
// On standard output it prints `listening <addr>` for each --listen, `control <addr>` for
// --control, and, without --out, the JSON lines. control.go describes the control port, record.go
// the lines.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	// A server decompresses what it has a compressor for.
	_ "github.com/mostynb/go-grpc-compression/nonclobbering/zstd"
	_ "google.golang.org/grpc/encoding/gzip"

	"baton.test/peers/internal/lifetime"
)

const stopTimeout = time.Second

type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

type options struct {
	listen, names              list
	control, out               string
	tlsCert, tlsKey, tlsClient string
	maxRecvMiB                 int
	summary, light             bool
}

func parseFlags() options {
	var o options
	flag.Var(&o.listen, "listen", "address for OTLP, port 0 picks a free one (repeatable)")
	flag.Var(&o.names, "name", "`name` written as \"peer\" for the listen address of the same rank (repeatable)")
	flag.StringVar(&o.control, "control", "", "address of the control port")
	flag.StringVar(&o.out, "out", "", "file that the JSON lines are appended to (default standard output)")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "serving certificate")
	flag.StringVar(&o.tlsKey, "tls-key", "", "key of the serving certificate")
	flag.StringVar(&o.tlsClient, "tls-client-ca", "", "demand client certificates of this CA")
	flag.IntVar(&o.maxRecvMiB, "max-recv-mib", 4, "largest message taken")
	flag.BoolVar(&o.summary, "summary", false, "write counts and timestamps instead of the content")
	flag.BoolVar(&o.light, "light", false, "the same for metrics only, without decoding them and without names")
	flag.Parse()
	if len(o.listen) == 0 {
		o.listen = list{"127.0.0.1:0"}
	}
	return o
}

func main() {
	if err := run(parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, "otlpsink:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx := lifetime.Context()
	creds, err := transportCredentials(o)
	if err != nil {
		return err
	}
	out := io.Writer(os.Stdout)
	if o.out != "" {
		file, err := os.OpenFile(o.out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		out = file
	}
	s := &sink{out: out, summary: o.summary, light: o.light}

	failed := make(chan error, len(o.listen)+1)
	var servers []*grpc.Server
	for i, addr := range o.listen {
		peer := strconv.Itoa(i)
		if i < len(o.names) {
			peer = o.names[i]
		}
		server := newServer(s, peer, creds, o.maxRecvMiB<<20)
		if err := listen("listening", addr, server.Serve, failed); err != nil {
			return err
		}
		servers = append(servers, server)
	}
	if o.control != "" {
		control := &http.Server{Handler: controlHandler(s)}
		if err := listen("control", o.control, control.Serve, failed); err != nil {
			return err
		}
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stop(servers)
	return err
}

func newServer(s *sink, peer string, creds credentials.TransportCredentials, maxRecvBytes int) *grpc.Server {
	settings := []grpc.ServerOption{
		grpc.Creds(creds),
		grpc.MaxRecvMsgSize(maxRecvBytes),
		grpc.StatsHandler(&watcher{counts: &s.counts}),
	}
	if s.light {
		settings = append(settings, grpc.ForceServerCodecV2(lightCodec{}))
	}
	server := grpc.NewServer(settings...)
	colmetrics.RegisterMetricsServiceServer(server, &metricsService{sink: s, peer: peer})
	collogs.RegisterLogsServiceServer(server, &logsService{sink: s, peer: peer})
	coltrace.RegisterTraceServiceServer(server, &traceService{sink: s, peer: peer})
	return server
}

func listen(what, addr string, serve func(net.Listener) error, failed chan<- error) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(what, l.Addr())
	go func() {
		if err := serve(l); err != nil {
			failed <- err
		}
	}()
	return nil
}

// stop lets the calls under way end, but does not wait for a fault that delays them.
func stop(servers []*grpc.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, server := range servers {
		done := make(chan struct{})
		go func() { server.GracefulStop(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			server.Stop()
		}
	}
}

func transportCredentials(o options) (credentials.TransportCredentials, error) {
	if o.tlsCert == "" && o.tlsKey == "" && o.tlsClient == "" {
		return insecure.NewCredentials(), nil
	}
	cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
	if o.tlsClient != "" {
		pem, err := os.ReadFile(o.tlsClient)
		if err != nil {
			return nil, err
		}
		cfg.ClientCAs = x509.NewCertPool()
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in " + o.tlsClient)
		}
	}
	return credentials.NewTLS(cfg), nil
}
