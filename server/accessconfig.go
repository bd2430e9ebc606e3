package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// AccessConfig says who may do what (option server.access). Tokens made by
// `watchfire token create` come besides what stands here.
type AccessConfig struct {
	TrustLoopback bool         `yaml:"trust_loopback"` // clients on this machine are administrators
	AnonymousRole Role         `yaml:"anonymous_role"` // role of callers without credentials, "" = they are refused
	Origins       []string     `yaml:"origins"`        // foreign web origins that may call, scheme://host[:port]
	Users         []UserConfig `yaml:"users"`
	Tokens        []KeyConfig  `yaml:"tokens"`
	Certificates  []CertConfig `yaml:"client_certificates"`
}

// UserConfig is a user with a password (HTTP basic authentication).
type UserConfig struct {
	Name         string `yaml:"name"`
	PasswordHash string `yaml:"password_hash"` // bcrypt, as `htpasswd -nB` prints it
	Role         Role   `yaml:"role"`
	Tenant       string `yaml:"tenant"` // "" = any
}

// KeyConfig is a bearer token from outside, such as a secret that is mounted.
type KeyConfig struct {
	Name    string    `yaml:"name"`
	Hash    string    `yaml:"hash"` // SHA-256 of the token in hex; either this
	File    string    `yaml:"file"` // or a file with the token
	Role    Role      `yaml:"role"`
	Tenant  string    `yaml:"tenant"`
	Expires time.Time `yaml:"expires"` // zero = never
}

// CertConfig gives a role to a client certificate, on listeners with
// tls.client_ca_file.
type CertConfig struct {
	Subject string `yaml:"subject"` // the certificate's common name, "*" = any that the CA signed
	Role    Role   `yaml:"role"`
	Tenant  string `yaml:"tenant"`
}

// DefaultAccessConfig lets in clients on this machine only.
func DefaultAccessConfig() AccessConfig { return AccessConfig{TrustLoopback: true} }

// minTokenLength is the shortest token accepted from a file, in bytes: a
// single SHA-256 protects only what cannot be guessed.
const minTokenLength = 32

// Validate checks the configuration and reports all problems. It reads no
// files.
func (c AccessConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.AnonymousRole != "" {
		if _, err := ParseRole(string(c.AnonymousRole)); err != nil {
			bad("anonymous_role: %w", err)
		}
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			bad("origins: %q is no origin: use scheme://host or scheme://host:port, without a slash at its end", o)
		}
	}
	seen := map[string]bool{}
	for i, u := range c.Users {
		at := fmt.Sprintf("users[%d] (%q)", i, u.Name)
		if u.Name == "" || strings.Contains(u.Name, ":") || seen[u.Name] {
			bad("%s: name has to be there, once, and without a colon", at)
		}
		seen[u.Name] = true
		if _, err := bcrypt.Cost([]byte(u.PasswordHash)); err != nil {
			bad("%s: password_hash is no bcrypt hash: make one with `htpasswd -nB %s`", at, u.Name)
		}
		errs = append(errs, checkGrant(at, u.Role, u.Tenant))
	}
	for i, k := range c.Tokens {
		at := fmt.Sprintf("tokens[%d] (%q)", i, k.Name)
		if k.Name == "" {
			bad("%s: name is empty: name what uses the token", at)
		}
		if (k.Hash == "") == (k.File == "") {
			bad("%s: set one of hash and file", at)
		}
		if b, err := hex.DecodeString(k.Hash); k.Hash != "" && (err != nil || len(b) != 32) {
			bad("%s: hash is no SHA-256 in hex: make one with `printf %%s \"$TOKEN\" | sha256sum`", at)
		}
		errs = append(errs, checkGrant(at, k.Role, k.Tenant))
	}
	for i, k := range c.Certificates {
		at := fmt.Sprintf("client_certificates[%d] (%q)", i, k.Subject)
		if k.Subject == "" {
			bad("%s: subject is empty: use the certificate's common name, or * for any", at)
		}
		errs = append(errs, checkGrant(at, k.Role, k.Tenant))
	}
	return errors.Join(errs...)
}

func checkGrant(at string, role Role, tenant string) error {
	var errs []error
	if _, err := ParseRole(string(role)); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", at, err))
	}
	if tenant != "" {
		if _, err := ParseTenant(tenant); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
		}
	}
	return errors.Join(errs...)
}

// someoneCanLogIn reports whether the configuration alone lets anyone in who
// is not on this machine.
func (c AccessConfig) someoneCanLogIn() bool {
	return c.AnonymousRole != "" || len(c.Users)+len(c.Tokens)+len(c.Certificates) > 0
}

// readKey returns the hash of a configured token.
func readKey(k KeyConfig) (string, error) {
	if k.Hash != "" {
		return strings.ToLower(k.Hash), nil
	}
	b, err := os.ReadFile(k.File)
	if err != nil {
		return "", fmt.Errorf("cannot read token %q: %w", k.Name, err)
	}
	secret := strings.TrimSpace(string(b))
	if len(secret) < minTokenLength {
		return "", fmt.Errorf("token %q in %s has %d bytes: use at least %d random ones", k.Name, k.File, len(secret), minTokenLength)
	}
	return HashToken(secret), nil
}
