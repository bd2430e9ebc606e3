package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tokenPrefix begins every token made here, so that secret scanners and people
// know one: wf_<id>_<secret>.
const tokenPrefix = "wf_"

const (
	tokenIDLength     = 16 // hex digits
	tokenSecretLength = 64 // hex digits: 256 random bits, so that one SHA-256 is enough of a hash
)

// Token is what is kept of a bearer token: never the token itself.
type Token struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // for people
	Hash     string    `json:"hash"` // SHA-256 of the token in hex
	Tenant   string    `json:"tenant,omitempty"`
	Role     Role      `json:"role"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`   // zero = never
	LastUsed time.Time `json:"last_used,omitzero"` // zero = never; a minute is its grain
}

// ErrNoToken is a TokenStore's answer to an id that it does not have.
var ErrNoToken = errors.New("no such token")

// TokenStore keeps tokens. Its methods are called from many goroutines.
type TokenStore interface {
	// Token finds a token by its id, or ErrNoToken. Other errors mean that
	// nobody knows; callers are then asked to come again.
	Token(ctx context.Context, id string) (Token, error)
	// TokenUsed notes when the token was last used.
	TokenUsed(ctx context.Context, id string, at time.Time) error
	// HasTokens reports whether there is any token.
	HasTokens(ctx context.Context) (bool, error)
}

// NewToken makes a token. The secret is shown once, to its owner; the Token is
// stored. A lifetime of 0 never ends.
func NewToken(name, tenant string, role Role, lifetime time.Duration, now time.Time) (secret string, t Token, err error) {
	var errs []error
	if strings.TrimSpace(name) == "" {
		errs = append(errs, errors.New("token name is empty: name what will use it"))
	}
	if tenant != "" {
		if _, err := ParseTenant(tenant); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := ParseRole(string(role)); err != nil {
		errs = append(errs, err)
	}
	if lifetime < 0 {
		errs = append(errs, fmt.Errorf("token lifetime is %s: use 0 for no end, or a time to live", lifetime))
	}
	if err := errors.Join(errs...); err != nil {
		return "", Token{}, err
	}
	t = Token{ID: randomHex(tokenIDLength / 2), Name: name, Tenant: tenant, Role: role, Created: now.UTC().Truncate(time.Second)}
	if lifetime > 0 {
		t.Expires = t.Created.Add(lifetime)
	}
	var b [tokenSecretLength / 2]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	secret = tokenPrefix + t.ID + "_" + hex.EncodeToString(b[:])
	t.Hash = HashToken(secret)
	return secret, t, nil
}

// HashToken is the hash by which a token is kept, in hex.
func HashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// tokenID is the id in a token of our form.
func tokenID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, tokenPrefix)
	if !ok || len(rest) != tokenIDLength+1+tokenSecretLength || rest[tokenIDLength] != '_' {
		return "", false
	}
	id := rest[:tokenIDLength]
	if !plainID(id) {
		return "", false
	}
	return id, true
}

// check says whether secret is the token, and good at now.
func (t Token) check(secret string, now time.Time) error {
	if subtle.ConstantTimeCompare([]byte(HashToken(secret)), []byte(t.Hash)) != 1 {
		return errUnknownToken
	}
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return Unauthorized("token %q expired at %s: make another with `watchfire token create`", t.Name, t.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

func (t Token) identity() Identity {
	return Identity{Name: t.Name, Role: t.Role, Tenant: t.Tenant, Method: MethodToken}
}

// errUnknownToken does not say what about the token is wrong.
var errUnknownToken = Unauthorized("the bearer token is not known: it may have been revoked")
