package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientapi "k8s.io/client-go/tools/clientcmd/api"
)

// defaultUsers have a token and a kubeconfig, and no rights until a test binds a role to them.
var defaultUsers = []string{"baton-a", "baton-b", "nobody"}

// credentials holds the paths of what the server is started with.
type credentials struct {
	caCert, servingCert, servingKey string
	accountKey                      string // signs and verifies service account tokens
	tokenFile                       string
	adminKubeconfig                 string
}

// makeCredentials writes the files into dir. Keys, certificates and tokens that are there already
// stay as they are, so that clients survive a restart of the server on the same folder; the
// kubeconfigs are written anew, because the port may have changed.
func makeCredentials(dir, server string, users []string) (*credentials, error) {
	in := func(name string) string { return filepath.Join(dir, name) }
	c := &credentials{
		caCert:          in("ca.crt"),
		servingCert:     in("serving.crt"),
		servingKey:      in("serving.key"),
		accountKey:      in("service-account.key"),
		tokenFile:       in("tokens.csv"),
		adminKubeconfig: in("admin.kubeconfig"),
	}
	if !exists(c.accountKey) { // the last file of the group
		if err := makeCertificates(dir, c); err != nil {
			return nil, err
		}
	}
	if err := makeTokenUsers(dir, server, c, users); err != nil {
		return nil, err
	}
	certUser := &clientapi.AuthInfo{
		ClientCertificate: in("client.crt"),
		ClientKey:         in("client.key"),
	}
	return c, writeKubeconfig(in("cert.kubeconfig"), server, c.caCert, "baton-cert", certUser)
}

// adoptCredentials copies what another server was started with, so that users and clients of both
// are the same; makeCredentials then finds it.
func adoptCredentials(dir, from string) error {
	names, err := filepath.Glob(filepath.Join(from, "*.token"))
	if err != nil {
		return err
	}
	for _, name := range []string{"ca.crt", "ca.key", "serving.crt", "serving.key", "client.crt", "client.key", "service-account.key"} {
		names = append(names, filepath.Join(from, name))
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func makeCertificates(dir string, c *credentials) error {
	caKey, err := newKey(filepath.Join(dir, "ca.key"))
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "baton-test-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if ca, err = issue(c.caCert, ca, ca, caKey, caKey); err != nil {
		return err
	}

	servingKey, err := newKey(c.servingKey)
	if err != nil {
		return err
	}
	serving := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if _, err = issue(c.servingCert, serving, ca, servingKey, caKey); err != nil {
		return err
	}

	clientKey, err := newKey(filepath.Join(dir, "client.key"))
	if err != nil {
		return err
	}
	client := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "baton-cert", Organization: []string{"system:masters"}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if _, err = issue(filepath.Join(dir, "client.crt"), client, ca, clientKey, caKey); err != nil {
		return err
	}
	_, err = newKey(c.accountKey)
	return err
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

// issue signs the template with the parent's key, writes the certificate and returns it parsed.
func issue(path string, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // for tests with a shifted clock
	template.NotAfter = time.Now().AddDate(10, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	if err := writePEM(path, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func makeTokenUsers(dir, server string, c *credentials, users []string) error {
	all := append([]string{"admin:system:masters"}, defaultUsers...)
	all = append(all, users...)

	var csv strings.Builder
	for _, user := range all {
		name, group, _ := strings.Cut(user, ":")
		if name == "" || strings.ContainsAny(user, "/\",\n") {
			return fmt.Errorf("bad user %q", user)
		}
		token, err := keepToken(filepath.Join(dir, name+".token"))
		if err != nil {
			return err
		}
		fmt.Fprintf(&csv, "%s,%s,uid-%s", token, name, name)
		if group != "" {
			fmt.Fprintf(&csv, ",%q", group)
		}
		csv.WriteByte('\n')
		path := filepath.Join(dir, name+".kubeconfig")
		auth := &clientapi.AuthInfo{Token: token}
		if err := writeKubeconfig(path, server, c.caCert, name, auth); err != nil {
			return err
		}
	}
	return os.WriteFile(c.tokenFile, []byte(csv.String()), 0o600)
}

// keepToken returns the token in the file; it makes one when there is none.
func keepToken(path string) (string, error) {
	old, err := os.ReadFile(path)
	if err == nil {
		return string(old), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var random [16]byte
	_, _ = rand.Read(random[:])
	token := hex.EncodeToString(random[:])
	return token, os.WriteFile(path, []byte(token), 0o600)
}

func writeKubeconfig(path, server, caPath, user string, auth *clientapi.AuthInfo) error {
	ca, err := os.ReadFile(caPath)
	if err != nil {
		return err
	}
	cfg := clientapi.NewConfig()
	cfg.Clusters["test"] = &clientapi.Cluster{Server: server, CertificateAuthorityData: ca}
	cfg.AuthInfos[user] = auth
	cfg.Contexts["test"] = &clientapi.Context{Cluster: "test", AuthInfo: user}
	cfg.CurrentContext = "test"
	return clientcmd.WriteToFile(*cfg, path)
}
