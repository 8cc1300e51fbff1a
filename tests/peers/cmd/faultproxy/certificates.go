package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"
)

// certificates are a CA and the certificate of a web link, made anew on request.
type certificates struct {
	lock    sync.Mutex
	caKey   *ecdsa.PrivateKey
	caCert  *x509.Certificate
	caPEM   string
	serving *tls.Certificate
}

func newCertificates() (*certificates, error) {
	c := &certificates{}
	_, err := c.renew(true)
	return c, err
}

// renew makes another serving certificate, of another CA if asked for, and returns the CA.
func (c *certificates) renew(newCA bool) (string, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if newCA {
		key, der, err := sign(nil, nil)
		if err != nil {
			return "", err
		}
		if c.caCert, err = x509.ParseCertificate(der); err != nil {
			return "", err
		}
		c.caKey = key
		c.caPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	key, der, err := sign(c.caCert, c.caKey)
	if err != nil {
		return "", err
	}
	c.serving = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return c.caPEM, nil
}

// sign makes a key and its certificate; without an issuer that of a CA.
func sign(issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	// Valid for clocks that are days off: replicas run with such ones.
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    time.Now().AddDate(-1, 0, 0),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	if issuer == nil {
		template.Subject = pkix.Name{CommonName: "faultproxy CA " + serial.String()}
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage |= x509.KeyUsageCertSign
		issuer, issuerKey = template, key
	} else {
		template.Subject = pkix.Name{CommonName: "faultproxy"}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		template.DNSNames = []string{"localhost"}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	return key, der, err
}

func (c *certificates) ca() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.caPEM
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.serving, nil
}
