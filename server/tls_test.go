package server

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
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// issue writes a certificate of the name and its key.
func (a *authority) issue(file, name string) (certFile, keyFile string) {
	cert, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	return a.write(file+".pem", "CERTIFICATE", cert.Raw), a.write(file+".key", "EC PRIVATE KEY", der)
}

// client is the TLS configuration of a client with the certificate of the
// name, "" = none.
func (a *authority) client(name string) *tls.Config {
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.issue(name, name))
		require.NoError(a.t, err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func (a *authority) files(client bool) TLS {
	cert, key := a.issue("server", "server-1")
	f := TLS{CertFile: cert, KeyFile: key}
	if client {
		f.ClientCAFile = filepath.Join(a.dir, "ca.pem")
	}
	return f
}

func TestCertificatesReload(t *testing.T) {
	ca := newAuthority(t)
	files := ca.files(false)
	certs, err := LoadCertificates(files, quiet(), "h2")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), certs.Expires(), time.Minute)
	l, err := tls.Listen("tcp", "127.0.0.1:0", certs.Config())
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).HandshakeContext(t.Context())
			_ = c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	name := func() string {
		c, err := tls.Dial("tcp", l.Addr().String(), ca.client(""))
		require.NoError(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	require.Equal(t, "server-1", name())
	ca.issue("server", "server-2")
	require.NoError(t, certs.Reload())
	require.Equal(t, "server-2", name())
	require.NoError(t, os.WriteFile(files.KeyFile, []byte("half writt"), 0o600))
	require.ErrorContains(t, certs.Reload(), files.KeyFile)
	require.Equal(t, "server-2", name())
	ca.issue("server", "server-3")
	require.NoError(t, certs.Reload())
	require.Equal(t, "server-3", name())
}

func TestTLSValidate(t *testing.T) {
	require.NoError(t, TLS{}.Validate())
	require.ErrorContains(t, TLS{CertFile: "x"}.Validate(), "set both")
	require.ErrorContains(t, TLS{CertFile: "x", KeyFile: "y", ClientAuth: "maybe"}.Validate(), `"maybe"`)
	_, err := LoadCertificates(TLS{CertFile: "/nowhere/x", KeyFile: "/nowhere/y"}, quiet())
	require.ErrorContains(t, err, "/nowhere/x")
}
