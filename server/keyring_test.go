package server

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// memoryTokens is a TokenStore.
type memoryTokens struct {
	mu     sync.Mutex
	tokens map[string]Token
	err    error
	asked  int
}

func (m *memoryTokens) Token(_ context.Context, id string) (Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.err != nil {
		return Token{}, m.err
	}
	t, ok := m.tokens[id]
	if !ok {
		return Token{}, ErrNoToken
	}
	return t, nil
}

func (m *memoryTokens) TokenUsed(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tokens[id]
	t.LastUsed = at
	m.tokens[id] = t
	return nil
}

func (m *memoryTokens) HasTokens(context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.tokens) > 0, m.err
}

func (m *memoryTokens) put(t Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = map[string]Token{}
	}
	m.tokens[t.ID] = t
}

func hashOf(t testing.TB, password string) string {
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	return string(b)
}

func TestKeyring(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	store := &memoryTokens{}
	make := func(name, tenant string, role Role, lifetime time.Duration) string {
		secret, token, err := NewToken(name, tenant, role, lifetime, now)
		require.NoError(t, err)
		require.NotContains(t, token.Hash, secret)
		store.put(token)
		return secret
	}
	agent := make("agent", "a", RoleIngest, 0)
	short := make("short", "", RoleRead, time.Hour)
	file := filepath.Join(t.TempDir(), "token")
	mounted := strings.Repeat("m", 40)
	require.NoError(t, os.WriteFile(file, []byte(mounted+"\n"), 0o600))

	k, err := newKeyring(AccessConfig{
		Users:        []UserConfig{{Name: "ann", PasswordHash: hashOf(t, "pass:word"), Role: RoleWrite, Tenant: "a"}},
		Tokens:       []KeyConfig{{Name: "mounted", File: file, Role: RoleRead}, {Name: "old", Hash: HashToken("old-old-old-old-old-old-old-old-old"), Role: RoleRead, Expires: now.Add(-time.Hour)}},
		Certificates: []CertConfig{{Subject: "agent-1", Role: RoleIngest}},
	}, store, quiet())
	require.NoError(t, err)
	k.now = func() time.Time { return now }
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}

	for _, c := range []struct {
		name, header, subject string
		want                  Identity
		says                  string
	}{
		{"token", "Bearer " + agent, "", Identity{"agent", RoleIngest, "a", MethodToken}, ""},
		{"scheme in small letters", "bearer " + agent, "", Identity{"agent", RoleIngest, "a", MethodToken}, ""},
		{"token that will end", "Bearer " + short, "", Identity{"short", RoleRead, "", MethodToken}, ""},
		{"mounted token", "Bearer " + mounted, "", Identity{"mounted", RoleRead, "", MethodToken}, ""},
		{"expired token", "Bearer old-old-old-old-old-old-old-old-old", "", Identity{}, "expired"},
		{"changed secret", "Bearer " + agent[:len(agent)-1] + "x", "", Identity{}, "not known"},
		{"unknown id", "Bearer wf_" + strings.Repeat("0", 16) + agent[19:], "", Identity{}, "not known"},
		{"id alone", "Bearer " + agent[:20], "", Identity{}, "not known"},
		{"empty token", "Bearer ", "", Identity{}, "not known"},
		{"huge token", "Bearer " + strings.Repeat("x", 60_000), "", Identity{}, "not known"},
		{"the hash is no token", "Bearer " + HashToken(agent), "", Identity{}, "not known"},
		{"password", basic("ann", "pass:word"), "", Identity{"ann", RoleWrite, "a", MethodBasic}, ""},
		{"password again", basic("ann", "pass:word"), "", Identity{"ann", RoleWrite, "a", MethodBasic}, ""},
		{"wrong password", basic("ann", "password"), "", Identity{}, "wrong"},
		{"unknown user", basic("bob", "pass:word"), "", Identity{}, "wrong"},
		{"token as password", basic("token", agent), "", Identity{"agent", RoleIngest, "a", MethodBasic}, ""},
		{"no base64", "Basic %%%", "", Identity{}, "base64"},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("ann")), "", Identity{}, "colon"},
		{"other scheme", "Negotiate abc", "", Identity{}, `"Negotiate"`},
		{"certificate", "", "agent-1", Identity{"agent-1", RoleIngest, "", MethodCertificate}, ""},
		{"token goes before certificate", "Bearer " + short, "agent-1", Identity{"short", RoleRead, "", MethodToken}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts{Credential: MethodNone}
			k.verify(t.Context(), &f, c.header, c.subject)
			require.NotEqual(t, MethodNone, f.Credential)
			if c.says != "" {
				require.ErrorContains(t, f.Refused, c.says)
				require.Equal(t, 401, AsError(t.Context(), f.Refused).Status)
				return
			}
			require.NoError(t, f.Refused)
			require.Equal(t, c.want, f.Verified)
		})
	}
	t.Run("certificate without a role", func(t *testing.T) {
		f := facts{Credential: MethodNone}
		k.verify(t.Context(), &f, "", "stranger")
		require.Equal(t, MethodNone, f.Credential)
	})
	t.Run("last use is stored", func(t *testing.T) {
		k.flush(t.Context())
		require.Equal(t, now, store.tokens[agent[3:19]].LastUsed)
	})
	t.Run("looked up once in ten seconds, then revoked", func(t *testing.T) {
		asked := store.asked
		_, err := k.token(t.Context(), agent)
		require.NoError(t, err)
		require.Equal(t, asked, store.asked)
		delete(store.tokens, agent[3:19])
		now = now.Add(tokenTTL)
		_, err = k.token(t.Context(), agent)
		require.ErrorContains(t, err, "not known")
	})
	t.Run("ends", func(t *testing.T) {
		now = now.Add(time.Hour)
		_, err := k.token(t.Context(), short)
		require.ErrorContains(t, err, "expired")
	})
	t.Run("store is gone", func(t *testing.T) {
		store.err = errors.New("disk on fire")
		now = now.Add(tokenTTL)
		_, err := k.token(t.Context(), short)
		e := AsError(t.Context(), err)
		require.Equal(t, 503, e.Status)
		require.NotZero(t, e.RetryAfter)
		require.NotContains(t, e.Message, "fire")
	})
}

func TestNewToken(t *testing.T) {
	_, _, err := NewToken(" ", "a|b", "root", -1, time.Now())
	for _, s := range []string{"name is empty", "several tenants", "unknown role", "lifetime"} {
		require.ErrorContains(t, err, s)
	}
}

func TestAccessConfig(t *testing.T) {
	require.NoError(t, DefaultAccessConfig().Validate())
	err := AccessConfig{
		AnonymousRole: "guest",
		Origins:       []string{"https://a.example/", "*"},
		Users:         []UserConfig{{Name: "ann", PasswordHash: "secret", Role: RoleRead}, {Name: "ann", PasswordHash: hashOf(t, "x"), Role: ""}},
		Tokens:        []KeyConfig{{Role: RoleRead}, {Name: "t", Hash: "abc", Role: RoleRead, Tenant: "a|b"}},
		Certificates:  []CertConfig{{Role: RoleRead}},
	}.Validate()
	for _, s := range []string{`anonymous_role: unknown role "guest"`, "https://a.example/", `"*" is no origin`, "htpasswd -nB ann", `users[1] ("ann")`, "one of hash and file", "no SHA-256", "several tenants", "subject is empty"} {
		require.ErrorContains(t, err, s)
	}
	require.NotContains(t, err.Error(), "secret")

	weak := filepath.Join(t.TempDir(), "weak")
	require.NoError(t, os.WriteFile(weak, []byte("short"), 0o600))
	_, err = NewGate(AccessConfig{Tokens: []KeyConfig{{Name: "weak", File: weak, Role: RoleRead}}}, nil, quiet(), nil)
	require.ErrorContains(t, err, "has 5 bytes")
}

func FuzzAuthorization(f *testing.F) {
	_, token, err := NewToken("t", "", RoleAdmin, 0, time.Now())
	require.NoError(f, err)
	store := &memoryTokens{}
	store.put(token)
	k, err := newKeyring(AccessConfig{Users: []UserConfig{{Name: "ann", PasswordHash: hashOf(f, "x"), Role: RoleAdmin}}}, store, quiet())
	require.NoError(f, err)
	for _, s := range []string{"", "Bearer", "Bearer wf_", "Basic", "Basic Og==", "Basic YW5uOg==", "bearer wf_" + token.ID + "_" + token.Hash, "a b c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		facts := facts{Credential: MethodNone}
		k.verify(t.Context(), &facts, header, "")
		if facts.Credential != MethodNone && facts.Refused == nil {
			if user, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(header, "Basic "))); string(user) != "ann:x" {
				t.Fatalf("%q was let in as %+v", header, facts.Verified)
			}
		}
	})
}
