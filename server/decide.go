package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/watchfire/watchfire/telemetry"
)

// facts are what a decision about a request rests on.
type facts struct {
	Access    Access
	Peer      netip.Addr // invalid = no IP, such as a Unix socket: not loopback
	Host      string     // Host header or :authority, with or without port
	Method    string
	Forwarded string // the first header that says a proxy passed the request on, "" = none
	Tenant    string // TenantHeader, "" = none
	Upgrade   bool   // a websocket handshake: browsers allow these from any page

	Origin    string // Origin header, "" = none
	FetchSite string // Sec-Fetch-Site header, "" = none
	FetchMode string // Sec-Fetch-Mode header, "" = none

	Credential Method   // what the caller showed, MethodNone = nothing
	Verified   Identity // who it names; meaningless when Refused is set
	Refused    error    // why the credential is no good, nil = it is
}

// policy is the configured part of a decision.
type policy struct {
	trustLoopback bool
	anonymous     Role     // role of callers who show nothing, "" = they are refused
	origins       []string // foreign origins that may call, as scheme://host[:port]
}

// decide says who the caller is, and its tenant, or why it may not. It is
// pure: all it knows is in its arguments.
func decide(f facts, p policy) (Identity, string, error) {
	id, err := identify(f, p)
	if err != nil && f.Access != Public {
		return Identity{}, "", err
	}
	if !id.Role.May(f.Access) {
		return Identity{}, "", Forbidden("role %q of %q may not do this: it needs role %s", id.Role, id.Name, rolesFor(f.Access))
	}
	if err := checkOrigin(f, p, id); err != nil {
		return Identity{}, "", err
	}
	tenant, err := chooseTenant(f.Tenant, id)
	if err != nil {
		return Identity{}, "", err
	}
	return id, tenant, nil
}

// identify finds the caller. A credential that was shown and is no good is
// never overlooked, not even of a client on this machine.
func identify(f facts, p policy) (Identity, error) {
	nobody := Identity{Name: "anonymous", Method: MethodNone}
	if f.Refused != nil {
		return nobody, f.Refused
	}
	if f.Credential != MethodNone {
		return f.Verified, nil
	}
	distrust := distrusted(f, p)
	if distrust == "" {
		return Identity{Name: "local", Role: RoleAdmin, Method: MethodLoopback}, nil
	}
	if p.anonymous != "" {
		return Identity{Name: "anonymous", Role: p.anonymous, Method: MethodNone}, nil
	}
	return nobody, Unauthorized("authentication needed (%s): send a bearer token (made by `watchfire token create`), or user and password", distrust)
}

// distrusted says why a client is not taken for one on this machine, "" when
// it is. A proxy on this machine and a web page that had its own name resolve
// to 127.0.0.1 (DNS rebinding) connect from loopback too.
func distrusted(f facts, p policy) string {
	switch {
	case !f.Peer.Unmap().IsLoopback():
		return "the client is on another machine"
	case !p.trustLoopback:
		return "server.access.trust_loopback is off"
	case f.Forwarded != "":
		return "the request came through a proxy, as its header " + f.Forwarded + " says"
	case !loopbackHost(f.Host):
		return "the request names the host " + quoteShort(f.Host) + ", not localhost"
	}
	return ""
}

func quoteShort(s string) string { return `"` + strings.ToValidUTF8(clip(s, 80), "?") + `"` }

// loopbackHost reports whether a Host header means this machine by a name that
// no DNS server can give away.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkOrigin refuses what a foreign web page makes a browser do in the name
// of its user. Bearer tokens are exempt: a browser never adds one by itself.
func checkOrigin(f facts, p policy, id Identity) error {
	if id.Method == MethodToken || f.Access == Public || slices.Contains(p.origins, f.Origin) && f.Origin != "" {
		return nil
	}
	changes := f.Access != Read || f.Upgrade || f.Method != http.MethodGet && f.Method != http.MethodHead && f.Method != http.MethodOptions
	if changes && f.Origin != "" && !sameHost(f.Origin, f.Host) {
		return Forbidden("a page of %s may not do this: add that origin to server.access.origins if it should", quoteShort(f.Origin))
	}
	foreign := f.FetchSite == "cross-site" || f.FetchSite == "same-site"
	if foreign && (changes || f.FetchMode != "navigate") {
		return Forbidden("a page of another site may not do this (Sec-Fetch-Site %s): add its origin to server.access.origins if it should", f.FetchSite)
	}
	return nil
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// chooseTenant joins what the caller asks for with what it is bound to.
func chooseTenant(asked string, id Identity) (string, error) {
	if asked != "" {
		name, err := ParseTenant(asked)
		if err != nil {
			return "", err
		}
		asked = name
	}
	switch {
	case id.Tenant == "" && asked == "":
		return telemetry.DefaultTenant, nil
	case id.Tenant == "":
		return asked, nil
	case asked == "" || asked == id.Tenant:
		return id.Tenant, nil
	}
	return "", Forbidden("%q belongs to tenant %q and may not name %q in %s", id.Name, id.Tenant, asked, TenantHeader)
}
