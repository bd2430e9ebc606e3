package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// TLS are the files of a listener that speaks TLS; all empty = it does not.
// They are read again when they change, without a restart.
type TLS struct {
	CertFile     string `yaml:"cert_file"`      // PEM, leaf first
	KeyFile      string `yaml:"key_file"`       // PEM
	ClientCAFile string `yaml:"client_ca_file"` // PEM; clients then have to show a certificate (mTLS)
	ClientAuth   string `yaml:"client_auth"`    // require (the default) or optional
}

// Enabled reports whether TLS is spoken.
func (t TLS) Enabled() bool { return t != TLS{} }

// Validate checks that the options fit together; it reads no files.
func (t TLS) Validate() error {
	var errs []error
	if t.Enabled() && (t.CertFile == "" || t.KeyFile == "") {
		errs = append(errs, errors.New("tls: set both cert_file and key_file"))
	}
	switch t.ClientAuth {
	case "", "require", "optional":
	default:
		errs = append(errs, fmt.Errorf("tls.client_auth is %q: use require or optional", t.ClientAuth))
	}
	if t.ClientAuth != "" && t.ClientCAFile == "" {
		errs = append(errs, fmt.Errorf("tls.client_auth is %q without a CA to check by: set tls.client_ca_file", t.ClientAuth))
	}
	return errors.Join(errs...)
}

// Certificates are a listener's certificate and client CA, as the files last
// were when they were good.
type Certificates struct {
	files  TLS
	log    *slog.Logger
	protos []string

	current atomic.Pointer[tls.Config]
	mu      sync.Mutex // one reload at a time
	read    [3][]byte  // what current was made of
}

// LoadCertificates reads the files. protos are the protocols offered by ALPN.
func LoadCertificates(files TLS, log *slog.Logger, protos ...string) (*Certificates, error) {
	c := &Certificates{files: files, log: log, protos: protos}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config is a TLS configuration that follows reloads.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: c.protos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.current.Load(), nil
		},
	}
}

// Expires is when the certificate ends.
func (c *Certificates) Expires() time.Time { return c.current.Load().Certificates[0].Leaf.NotAfter }

// Reload reads the files again. When they are wrong or half written, the
// certificate in use stays.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var read [3][]byte
	for i, name := range []string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if name == "" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read TLS file: %w", err)
		}
		read[i] = b
	}
	if c.current.Load() != nil && bytes.Equal(read[0], c.read[0]) && bytes.Equal(read[1], c.read[1]) && bytes.Equal(read[2], c.read[2]) {
		return nil
	}
	config, err := c.build(read)
	if err != nil {
		return err
	}
	first := c.current.Swap(config) == nil
	c.read = read
	if !first {
		c.log.Info("TLS certificate reloaded", "file", c.files.CertFile, "expires", c.Expires())
	}
	return nil
}

func (c *Certificates) build(read [3][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(read[0], read[1])
	if err != nil {
		return nil, fmt.Errorf("cannot use certificate %q with key %q: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: c.protos, Certificates: []tls.Certificate{pair}}
	if c.files.ClientCAFile == "" {
		return config, nil
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(read[2]) {
		return nil, fmt.Errorf("no PEM certificate in client_ca_file %q", c.files.ClientCAFile)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if c.files.ClientAuth == "optional" {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}

// subjectOf is the common name of the verified client certificate, "" without
// one.
func subjectOf(s *tls.ConnectionState) string {
	if s == nil || len(s.VerifiedChains) == 0 || len(s.VerifiedChains[0]) == 0 {
		return ""
	}
	return s.VerifiedChains[0][0].Subject.CommonName
}
