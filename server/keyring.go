package server

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

// keyring verifies what callers show against the configuration and the
// token store.
type keyring struct {
	users map[string]UserConfig
	keys  map[string]Token // by hash
	certs map[string]CertConfig
	store TokenStore // nil = none
	log   *slog.Logger
	now   func() time.Time

	passwords *passwords
	cache     *ttlCache[string, Token]
	used      struct {
		sync.Mutex
		at map[string]time.Time // by token id, what is not yet stored
	}
}

// tokenTTL is how long a stored token is believed: the longest that a revoked
// one still works.
const tokenTTL = 10 * time.Second

func newKeyring(c AccessConfig, store TokenStore, log *slog.Logger) (*keyring, error) {
	v := &keyring{
		users: map[string]UserConfig{}, keys: map[string]Token{}, certs: map[string]CertConfig{},
		store: store, log: log, now: time.Now, cache: newTTLCache[string, Token](10_000, tokenTTL),
	}
	v.used.at = map[string]time.Time{}
	var errs []error
	for _, u := range c.Users {
		v.users[u.Name] = u
	}
	for _, k := range c.Tokens {
		hash, err := readKey(k)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.keys[hash] = Token{Name: k.Name, Hash: hash, Tenant: k.Tenant, Role: k.Role, Expires: k.Expires}
	}
	for _, k := range c.Certificates {
		v.certs[k.Subject] = k
	}
	v.passwords = newPasswords(v.users)
	return v, errors.Join(errs...)
}

// verify sets what the caller shows in f. An Authorization header goes before a
// certificate; a certificate without a role of its own only encrypts.
func (v *keyring) verify(ctx context.Context, f *facts, authorization, subject string) {
	if authorization == "" {
		v.certificate(f, subject)
		return
	}
	scheme, value, _ := strings.Cut(authorization, " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		f.Credential = MethodToken
		f.Verified, f.Refused = v.token(ctx, value)
	case strings.EqualFold(scheme, "Basic"):
		f.Credential = MethodBasic
		f.Verified, f.Refused = v.basic(ctx, value)
	default:
		f.Credential = MethodToken
		f.Refused = Unauthorized("authorization scheme %s is not known: use Bearer or Basic", quoteShort(scheme))
	}
}

func (v *keyring) certificate(f *facts, subject string) {
	k, ok := v.certs[subject]
	if !ok {
		k, ok = v.certs["*"]
	}
	if ok && subject != "" {
		f.Credential = MethodCertificate
		f.Verified = Identity{Name: subject, Role: k.Role, Tenant: k.Tenant, Method: MethodCertificate}
	}
}

func (v *keyring) token(ctx context.Context, secret string) (Identity, error) {
	if len(secret) > 4096 {
		return Identity{}, errUnknownToken
	}
	if t, ok := v.keys[HashToken(secret)]; ok {
		return t.identity(), t.check(secret, v.now())
	}
	id, ok := tokenID(secret)
	if !ok || v.store == nil {
		return Identity{}, errUnknownToken
	}
	now := v.now()
	t, ok := v.cache.get(id, now)
	if !ok {
		var err error
		t, err = v.store.Token(ctx, id)
		if errors.Is(err, ErrNoToken) {
			return Identity{}, errUnknownToken
		}
		if err != nil {
			v.log.LogAttrs(ctx, slog.LevelError, "cannot look up a token", slog.String("token_id", id), slog.Any("error", err))
			return Identity{}, &Error{Status: 503, Reason: ReasonUnavailable, Message: "cannot check the bearer token now: send it again", RetryAfter: time.Second, Err: err}
		}
		v.cache.put(id, t, now)
	}
	if err := t.check(secret, now); err != nil {
		return Identity{}, err
	}
	v.noteUse(t, now)
	return t.identity(), nil
}

// noteUse remembers when a token was used; flush stores it.
func (v *keyring) noteUse(t Token, now time.Time) {
	if now.Sub(t.LastUsed) < time.Minute {
		return
	}
	v.used.Lock()
	v.used.at[t.ID] = now
	v.used.Unlock()
}

// flush stores when tokens were last used. What cannot be stored is dropped: it
// is for people who look for forgotten tokens.
func (v *keyring) flush(ctx context.Context) {
	if v.store == nil {
		return
	}
	v.used.Lock()
	at := maps.Clone(v.used.at)
	clear(v.used.at)
	v.used.Unlock()
	for id, when := range at {
		if err := v.store.TokenUsed(ctx, id, when.UTC().Truncate(time.Second)); err != nil && !errors.Is(err, ErrNoToken) {
			v.log.LogAttrs(ctx, slog.LevelWarn, "cannot store when a token was used", slog.String("token_id", id), slog.Any("error", err))
		}
	}
}

var errWrongPassword = Unauthorized("user or password is wrong")

// basic verifies "user:password" in base64. With a user that is not configured,
// the password may be a token: for clients that know no bearer tokens.
func (v *keyring) basic(ctx context.Context, encoded string) (Identity, error) {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Identity{}, Unauthorized("the Basic authorization is no base64")
	}
	name, password, ok := strings.Cut(string(b), ":")
	if !ok {
		return Identity{}, Unauthorized("the Basic authorization has no colon between user and password")
	}
	if _, isToken := tokenID(password); isToken && v.users[name].Name == "" {
		id, err := v.token(ctx, password)
		id.Method = MethodBasic // a browser may add it by itself: the origin matters
		return id, err
	}
	if err := v.passwords.check(ctx, name, password); err != nil {
		return Identity{}, err
	}
	u := v.users[name]
	return Identity{Name: u.Name, Role: u.Role, Tenant: u.Tenant, Method: MethodBasic}, nil
}
