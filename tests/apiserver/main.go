// Apiserver is a real kube-apiserver with an embedded etcd in one process, for tests.
//
// It binds to loopback, keeps everything it writes in one folder, prints one line when it is
// ready and goes away with its parent. There are no controllers and no kubelet: objects stay as
// the test wrote them.
//
// Started again on the same folder, it serves the same objects with the same credentials. With
// --join it is a second server beside one that runs: the same etcd, the same credentials.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

const (
	readyTimeout = 120 * time.Second
	readyPoll    = 20 * time.Millisecond
	// Open watches may hold a graceful shutdown for long; no test wants to wait for them.
	shutdownTimeout = 1500 * time.Millisecond
	etcdQuotaBytes  = 8 << 30

	outliveFlag = "outlive-parent"
	etcdFile    = "etcd.url"
)

type options struct {
	dir         string
	host        string
	port        int
	users       []string
	extra       []string
	maxInflight int
	exitOnEOF   bool
	join        string
	etcd        string
}

func parseFlags() (options, error) {
	var o options
	f := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	f.StringVar(&o.dir, "dir", "", "folder for data, certificates, kubeconfigs and the log (made if absent)")
	f.StringVar(&o.host, "host", "127.0.0.1", "loopback address to serve on: 127.0.0.1 or ::1")
	f.IntVar(&o.port, "port", 0, "port to serve on; 0 picks a free one")
	f.StringArrayVar(&o.users, "user", nil, "additional user as name[:group] (repeatable)")
	f.StringArrayVar(&o.extra, "extra", nil, "argument passed to kube-apiserver as it is (repeatable)")
	f.IntVar(&o.maxInflight, "max-requests-inflight", 0, "passed to kube-apiserver when not 0")
	f.BoolVar(&o.exitOnEOF, "exit-on-stdin-eof", false, "stop when standard input ends")
	f.StringVar(&o.join, "join", "", "folder of an apiserver that runs: no etcd of our own, the other's, and its credentials")
	f.StringVar(&o.etcd, "etcd", "", "with --join: another way to that etcd, as http://HOST:PORT")
	f.Bool(outliveFlag, false, "do not stop when the parent process dies")
	if err := f.Parse(os.Args[1:]); err != nil {
		return o, err
	}
	if o.dir == "" {
		return o, errors.New("--dir is required")
	}
	if ip := net.ParseIP(o.host); ip == nil || !ip.IsLoopback() {
		return o, fmt.Errorf("--host %q is not a loopback address", o.host)
	}
	if o.etcd != "" && o.join == "" {
		return o, errors.New("--etcd needs --join: the credentials must be those of the server that has the etcd")
	}
	var err error
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

func main() {
	o, err := parseFlags()
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	var out console
	if err == nil {
		out, err = redirectOutput(&o)
	}
	if err == nil {
		err = run(&o, out)
	}
	if err != nil {
		if out.err == nil {
			out.err = os.Stderr
		}
		fmt.Fprintln(out.err, "apiserver:", err)
		os.Exit(1)
	}
}

// console is what were standard output and standard error before the log took their place.
type console struct{ out, err *os.File }

// redirectOutput sends everything that the server and etcd print to DIR/apiserver.log, and keeps
// the two original streams for the ready line and for the reason of a failure.
func redirectOutput(o *options) (console, error) {
	var c console
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return c, err
	}
	log, err := os.OpenFile(filepath.Join(o.dir, "apiserver.log"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return c, err
	}
	defer log.Close()
	for i, to := range []**os.File{&c.out, &c.err} {
		fd, err := unix.FcntlInt(uintptr(i+1), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return c, err
		}
		*to = os.NewFile(uintptr(fd), "console")
		if err := unix.Dup3(int(log.Fd()), i+1, 0); err != nil {
			return c, err
		}
	}
	return c, nil
}

func run(o *options, out console) error {
	stop := stopRequests(o)

	if o.port == 0 {
		port, err := reservePort(o.host)
		if err != nil {
			return fmt.Errorf("no free port: %w", err)
		}
		o.port = port
		// Our reservation and the server share the port, so nobody can take it in between.
		o.extra = append([]string{"--permit-port-sharing=true"}, o.extra...)
	}
	server := "https://" + net.JoinHostPort(o.host, strconv.Itoa(o.port))
	if o.join != "" {
		if err := adoptCredentials(o.dir, o.join); err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
	}
	creds, err := makeCredentials(o.dir, server, o.users)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}

	etcd, closeEtcd, err := findEtcd(o)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer closeEtcd()

	cmd := app.NewAPIServerCommand()
	cmd.SetArgs(serverArguments(o, creds, etcd))
	served := make(chan error, 1)
	go func() { served <- cmd.Execute() }()

	ready := make(chan error, 1)
	go func() { ready <- waitReady(creds.adminKubeconfig) }()

	for {
		select {
		case err := <-ready:
			if err != nil {
				return fmt.Errorf("not ready: %w", err)
			}
			fmt.Fprintf(out.out, "ready %s %s\n", creds.adminKubeconfig, server)
		case err := <-served:
			if len(stop) > 0 {
				return nil // the server heard the same signal and was faster
			}
			if err == nil {
				err = errors.New("server ended by itself")
			}
			return fmt.Errorf("%w (log: %s)", err, filepath.Join(o.dir, "apiserver.log"))
		case <-stop:
			// The server has its own handler for the same signal and is ending too. It must
			// not be told again: it takes a second request as an order to exit at once.
			select {
			case <-served:
			case <-time.After(shutdownTimeout):
			}
			return nil
		}
	}
}

// stopRequests returns a channel that gets an element when the process shall end: by a signal,
// by the death of the parent or by the end of standard input, which both become SIGTERM.
func stopRequests(o *options) <-chan os.Signal {
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if o.exitOnEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		}()
	}
	return stop
}

func init() {
	// The kernel keeps the setting per thread. Only here we are certain to run on the main
	// thread, which lives as long as the process; flags are not parsed yet, so look ourselves.
	if !slices.Contains(os.Args, "--"+outliveFlag) {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0)
	}
}

// reservePort binds a socket that is never listened on and stays open until the process ends.
func reservePort(host string) (int, error) {
	ip := net.ParseIP(host)
	family, addr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: [16]byte(ip.To16())})
	if v4 := ip.To4(); v4 != nil {
		family, addr = unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte(v4)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, addr); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return a.Port, nil
	case *unix.SockaddrInet6:
		return a.Port, nil
	}
	return 0, fmt.Errorf("unexpected address %T", name)
}

// findEtcd returns the address of the etcd to use, and what closes it. That of our own is written
// to DIR/etcd.url, for servers that join.
func findEtcd(o *options) (string, func(), error) {
	if o.etcd != "" {
		return o.etcd, func() {}, nil
	}
	if o.join != "" {
		found, err := os.ReadFile(filepath.Join(o.join, etcdFile))
		return string(found), func() {}, err
	}
	etcd, err := startEtcd(filepath.Join(o.dir, "etcd"))
	if err != nil {
		return "", nil, err
	}
	address := "http://" + etcd.Clients[0].Addr().String()
	if err := os.WriteFile(filepath.Join(o.dir, etcdFile), []byte(address), 0o600); err != nil {
		etcd.Close()
		return "", nil, err
	}
	return address, etcd.Close, nil
}

func startEtcd(dir string) (*embed.Etcd, error) {
	// Port 0: the kernel picks, and Addr() tells. The advertised addresses are only names in a
	// cluster of one member.
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.ListenClientUrls = []url.URL{any}
	cfg.AdvertiseClientUrls = []url.URL{any}
	cfg.ListenPeerUrls = []url.URL{any}
	cfg.AdvertisePeerUrls = []url.URL{any}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "error"
	cfg.UnsafeNoFsync = true      // test data need not survive a power cut
	cfg.EnableGRPCGateway = false // it would call the advertised address
	cfg.QuotaBackendBytes = etcdQuotaBytes
	cfg.MaxRequestBytes = 8 << 20
	cfg.TickMs = 10
	cfg.ElectionMs = 100
	cfg.WatchProgressNotifyInterval = 5 * time.Second // as kubeadm has it: without, a quiet resource has no bookmarks
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, err
	case <-time.After(readyTimeout):
		etcd.Close()
		return nil, errors.New("not ready in time")
	}
}

func serverArguments(o *options, c *credentials, etcd string) []string {
	serviceRange := "10.0.0.0/24"
	if net.ParseIP(o.host).To4() == nil {
		serviceRange = "fd00:10::/112"
	}
	args := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + o.host,
		"--advertise-address=" + o.host,
		"--secure-port=" + strconv.Itoa(o.port),
		"--tls-cert-file=" + c.servingCert,
		"--tls-private-key-file=" + c.servingKey,
		"--cert-dir=" + o.dir,
		"--client-ca-file=" + c.caCert,
		"--token-auth-file=" + c.tokenFile,
		"--service-account-key-file=" + c.accountKey,
		"--service-account-signing-key-file=" + c.accountKey,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--authorization-mode=RBAC",
		// Nobody creates the service account `default` of a new namespace, so pods without
		// one would be refused.
		"--disable-admission-plugins=ServiceAccount",
		"--service-cluster-ip-range=" + serviceRange,
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true",
	}
	if o.maxInflight != 0 {
		args = append(args, "--max-requests-inflight="+strconv.Itoa(o.maxInflight))
	}
	return append(args, o.extra...)
}

// waitReady returns when the server calls itself ready and the namespaces that it makes in the
// background are there: /readyz does not wait for them, but every test writes into one.
func waitReady(kubeconfig string) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS = -1
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	for {
		var status int
		client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		if status == http.StatusOK && namespacesExist(ctx, client) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("/readyz says %d after %v", status, readyTimeout)
		case <-time.After(readyPoll):
		}
	}
}

func namespacesExist(ctx context.Context, client kubernetes.Interface) bool {
	for _, name := range []string{"default", "kube-system"} {
		if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			return false
		}
	}
	return true
}
