package server

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecide(t *testing.T) {
	local := facts{Access: Admin, Peer: netip.MustParseAddr("127.0.0.1"), Host: "127.0.0.1:8930", Method: "POST", Credential: MethodNone}
	remote := local
	remote.Peer, remote.Host = netip.MustParseAddr("192.0.2.7"), "watchfire.example.com"
	shows := func(m Method, role Role, tenant string) facts {
		f := remote
		f.Credential, f.Verified = m, Identity{Name: "ann", Role: role, Tenant: tenant, Method: m}
		return f
	}
	with := func(f facts, change func(*facts)) facts { change(&f); return f }
	trusting := policy{trustLoopback: true}

	for _, c := range []struct {
		name   string
		facts  facts
		policy policy
		status int // 0 = let in
		says   string
		role   Role
		tenant string
	}{
		// Clients on this machine.
		{"loopback", local, trusting, 0, "", RoleAdmin, "default"},
		{"loopback v6", with(local, func(f *facts) { f.Peer, f.Host = netip.MustParseAddr("::1"), "[::1]:8930" }), trusting, 0, "", RoleAdmin, "default"},
		{"loopback mapped", with(local, func(f *facts) { f.Peer = netip.MustParseAddr("::ffff:127.0.0.1") }), trusting, 0, "", RoleAdmin, "default"},
		{"loopback by name", with(local, func(f *facts) { f.Host = "LocalHost:8930" }), trusting, 0, "", RoleAdmin, "default"},
		{"loopback without port", with(local, func(f *facts) { f.Host = "localhost" }), trusting, 0, "", RoleAdmin, "default"},
		{"loopback names a tenant", with(local, func(f *facts) { f.Tenant = "team-a" }), trusting, 0, "", RoleAdmin, "team-a"},
		{"loopback not trusted", local, policy{}, 401, "trust_loopback", "", ""},
		{"DNS rebinding", with(local, func(f *facts) { f.Host = "evil.example:8930" }), trusting, 401, "evil.example", "", ""},
		{"DNS rebinding by a lookalike", with(local, func(f *facts) { f.Host = "localhost.evil.example" }), trusting, 401, "localhost.evil", "", ""},
		{"DNS rebinding by an odd number", with(local, func(f *facts) { f.Host = "0x7f.1" }), trusting, 401, "0x7f", "", ""},
		{"no host", with(local, func(f *facts) { f.Host = "" }), trusting, 401, "host", "", ""},
		{"proxy", with(local, func(f *facts) { f.Forwarded = "X-Forwarded-For" }), trusting, 401, "X-Forwarded-For", "", ""},
		{"unix socket", with(local, func(f *facts) { f.Peer = netip.Addr{} }), trusting, 401, "another machine", "", ""},
		{"loopback with a wrong token", with(local, func(f *facts) { f.Credential, f.Refused = MethodToken, errUnknownToken }), trusting, 401, "not known", "", ""},
		{"loopback with a lesser token", with(shows(MethodToken, RoleRead, ""), func(f *facts) { f.Peer, f.Host = local.Peer, local.Host }), trusting, 403, `role "read"`, "", ""},

		// Other machines.
		{"remote", remote, trusting, 401, "another machine", "", ""},
		{"remote claims localhost", with(remote, func(f *facts) { f.Host = "localhost" }), trusting, 401, "another machine", "", ""},
		{"remote, public", with(remote, func(f *facts) { f.Access = Public }), trusting, 0, "", "", "default"},
		{"remote, public, wrong token", with(remote, func(f *facts) { f.Access, f.Credential, f.Refused = Public, MethodToken, errUnknownToken }), trusting, 0, "", "", "default"},
		{"anonymous reader reads", with(remote, func(f *facts) { f.Access = Read }), policy{anonymous: RoleRead}, 0, "", RoleRead, "default"},
		{"anonymous reader writes", with(remote, func(f *facts) { f.Access = Write }), policy{anonymous: RoleRead}, 403, "needs role write or admin", "", ""},
		{"loopback stays administrator", local, policy{trustLoopback: true, anonymous: RoleRead}, 0, "", RoleAdmin, "default"},

		// Roles.
		{"agent pushes", with(shows(MethodToken, RoleIngest, ""), func(f *facts) { f.Access = Ingest }), trusting, 0, "", RoleIngest, "default"},
		{"agent reads", with(shows(MethodToken, RoleIngest, ""), func(f *facts) { f.Access = Read }), trusting, 403, "needs role read", "", ""},
		{"reader pushes", with(shows(MethodToken, RoleRead, ""), func(f *facts) { f.Access = Ingest }), trusting, 403, "needs role ingest", "", ""},
		{"writer administrates", shows(MethodToken, RoleWrite, ""), trusting, 403, "needs role admin", "", ""},
		{"unknown role", with(shows(MethodToken, "root", ""), func(f *facts) { f.Access = Read }), trusting, 403, "root", "", ""},

		// Tenants.
		{"own tenant", shows(MethodToken, RoleAdmin, "a"), trusting, 0, "", RoleAdmin, "a"},
		{"own tenant named", with(shows(MethodToken, RoleAdmin, "a"), func(f *facts) { f.Tenant = "a" }), trusting, 0, "", RoleAdmin, "a"},
		{"other tenant", with(shows(MethodToken, RoleAdmin, "a"), func(f *facts) { f.Tenant = "b" }), trusting, 403, `belongs to tenant "a"`, "", ""},
		{"any tenant", with(shows(MethodToken, RoleAdmin, ""), func(f *facts) { f.Tenant = "b" }), trusting, 0, "", RoleAdmin, "b"},
		{"two tenants", with(local, func(f *facts) { f.Tenant = "a|b" }), trusting, 400, "one tenant", "", ""},
		{"two tenants, one own", with(shows(MethodToken, RoleAdmin, "a"), func(f *facts) { f.Tenant = "a|b" }), trusting, 400, "one tenant", "", ""},

		// Pages of other sites.
		{"own page", with(local, func(f *facts) { f.Origin, f.FetchSite = "http://127.0.0.1:8930", "same-origin" }), trusting, 0, "", RoleAdmin, "default"},
		{"foreign page", with(local, func(f *facts) { f.Origin = "https://evil.example" }), trusting, 403, "evil.example", "", ""},
		{"foreign page, another port", with(local, func(f *facts) { f.Origin = "http://127.0.0.1:3000" }), trusting, 403, "3000", "", ""},
		{"foreign page, no origin", with(local, func(f *facts) { f.FetchSite = "cross-site" }), trusting, 403, "another site", "", ""},
		{"sandboxed page", with(local, func(f *facts) { f.Origin = "null" }), trusting, 403, "null", "", ""},
		{"foreign page posts a query", with(local, func(f *facts) { f.Access, f.Origin = Read, "https://evil.example" }), trusting, 403, "evil", "", ""},
		{"foreign page gets with effect", with(local, func(f *facts) { f.Method, f.Origin = "GET", "https://evil.example" }), trusting, 403, "evil", "", ""},
		{"foreign websocket", with(local, func(f *facts) { f.Access, f.Method, f.Upgrade, f.Origin = Read, "GET", true, "https://evil.example" }), trusting, 403, "evil", "", ""},
		{"foreign page embeds a query", with(local, func(f *facts) {
			f.Access, f.Method, f.FetchSite, f.FetchMode = Read, "GET", "cross-site", "no-cors"
		}), trusting, 403, "another site", "", ""},
		{"link from a foreign page", with(local, func(f *facts) {
			f.Access, f.Method, f.FetchSite, f.FetchMode = Read, "GET", "cross-site", "navigate"
		}), trusting, 0, "", RoleAdmin, "default"},
		{"typed into the address bar", with(local, func(f *facts) { f.Access, f.Method, f.FetchSite, f.FetchMode = Read, "GET", "none", "navigate" }), trusting, 0, "", RoleAdmin, "default"},
		{"allowed origin", with(local, func(f *facts) { f.Origin, f.FetchSite = "https://ui.example", "cross-site" }), policy{trustLoopback: true, origins: []string{"https://ui.example"}}, 0, "", RoleAdmin, "default"},
		{"token from a foreign page", with(shows(MethodToken, RoleAdmin, ""), func(f *facts) { f.Origin, f.FetchSite = "https://evil.example", "cross-site" }), trusting, 0, "", RoleAdmin, "default"},
		{"password from a foreign page", with(shows(MethodBasic, RoleAdmin, ""), func(f *facts) { f.Origin = "https://evil.example" }), trusting, 403, "evil", "", ""},
		{"certificate from a foreign page", with(shows(MethodCertificate, RoleAdmin, ""), func(f *facts) { f.Origin = "https://evil.example" }), trusting, 403, "evil", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, tenant, err := decide(c.facts, c.policy)
			if c.status == 0 {
				require.NoError(t, err)
				require.Equal(t, c.role, id.Role)
				require.Equal(t, c.tenant, tenant)
				return
			}
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.status, e.Status, e.Message)
			require.Contains(t, e.Message, c.says)
			require.Equal(t, Identity{}, id)
			require.Empty(t, tenant)
		})
	}
}

func TestForwardedHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "X-Forwarded-For": true, "x-forwarded-proto": true, "X-Real-Ip": true, "X-Forwarded-": false, "Via-X": false, "Accept": false,
	} {
		require.Equal(t, want, forwardedHeader(map[string][]string{name: {"x"}}) != "", name)
	}
}

func FuzzParseTenant(f *testing.F) {
	for _, s := range []string{"", "a", "team-a", "a|b", "..", "a/b", "ü", "a b", "a\x00", "!-_.*'()"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseTenant(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Status != 400 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if name != s || len(name) > maxTenant {
			t.Fatalf("%q became %q", s, name)
		}
		for _, c := range []byte(name) {
			if c <= ' ' || c >= 0x7f || c == '/' || c == '|' || c == '\\' || c == '"' {
				t.Fatalf("%q has %q", name, c)
			}
		}
	})
}
