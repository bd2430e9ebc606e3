package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Access is what a route asks of its caller. The zero value asks for the most,
// so that a forgotten one locks a route instead of opening it.
type Access uint8

// The accesses of routes.
const (
	Admin  Access = iota // tokens, configuration, profiles, deleting telemetry
	Write                // rules, silences, dashboards: what people change
	Ingest               // sending telemetry
	Read                 // queries
	Public               // health and readiness: no caller is asked for
)

func (a Access) String() string {
	switch a {
	case Write:
		return "write"
	case Ingest:
		return "ingest"
	case Read:
		return "read"
	case Public:
		return "public"
	}
	return "admin"
}

// Role is what a caller may do.
type Role string

// The roles. An agent gets RoleIngest and can read nothing; RoleWrite also
// reads and ingests; RoleAdmin may everything. The empty role may nothing but
// what is public.
const (
	RoleIngest Role = "ingest"
	RoleRead   Role = "read"
	RoleWrite  Role = "write"
	RoleAdmin  Role = "admin"
)

var grants = map[Role][]Access{
	RoleIngest: {Ingest},
	RoleRead:   {Read},
	RoleWrite:  {Read, Write, Ingest},
	RoleAdmin:  {Read, Write, Ingest, Admin},
}

// ParseRole checks the name of a role.
func ParseRole(s string) (Role, error) {
	if _, ok := grants[Role(s)]; !ok {
		return "", fmt.Errorf("unknown role %q: use ingest, read, write or admin", s)
	}
	return Role(s), nil
}

// May reports whether the role suffices for a route of the access.
func (r Role) May(a Access) bool {
	return a == Public || slices.Contains(grants[r], a)
}

// rolesFor lists the roles that suffice for a, for messages.
func rolesFor(a Access) string {
	var names []string
	for _, r := range []Role{RoleIngest, RoleRead, RoleWrite, RoleAdmin} {
		if r.May(a) {
			names = append(names, string(r))
		}
	}
	return strings.Join(names, " or ")
}

// Method is how a caller was recognised.
type Method string

// The ways to be recognised.
const (
	MethodNone        Method = "none"        // nobody is asked for (public routes) or the configured anonymous role
	MethodLoopback    Method = "loopback"    // a client on this machine
	MethodToken       Method = "token"       // a bearer token
	MethodBasic       Method = "basic"       // user and password
	MethodCertificate Method = "certificate" // a TLS client certificate
)

// Identity is the caller of a request.
type Identity struct {
	Name   string // user, token's name or certificate's subject, for logs and audit
	Role   Role
	Tenant string // the only tenant that the caller may name, "" = any
	Method Method
}

type identityKey struct{}

// Caller is the identity of the request that ctx belongs to; without one, an
// identity that may nothing.
func Caller(ctx context.Context) Identity {
	id, ok := ctx.Value(identityKey{}).(Identity)
	if !ok {
		return Identity{Method: MethodNone}
	}
	return id
}

// WithCaller returns a context of the identity, for tests and for work that
// the process does on its own account.
func WithCaller(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}
