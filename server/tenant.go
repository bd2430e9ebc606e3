package server

import (
	"context"
	"strings"

	"github.com/watchfire/watchfire/telemetry"
)

// TenantHeader names the tenant of a request, as in Mimir, Loki and Tempo.
const TenantHeader = "X-Scope-OrgID"

// maxTenant is the longest tenant name in bytes, as in Mimir.
const maxTenant = 150

type tenantKey struct{}

// Tenant is the tenant of the request that ctx belongs to,
// telemetry.DefaultTenant when none was set.
func Tenant(ctx context.Context) string {
	if t, ok := ctx.Value(tenantKey{}).(string); ok {
		return t
	}
	return telemetry.DefaultTenant
}

// WithTenant returns a context of the tenant. The name is not checked here: it
// comes from ParseTenant or from configuration.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// ParseTenant checks a tenant name by Mimir's rules: 1 to 150 bytes of
// letters, digits and !-_.*'(), neither "." nor "..". Names joined by | (a
// federated query over several tenants) are refused: one request has one
// tenant.
func ParseTenant(name string) (string, error) {
	switch {
	case name == "":
		return "", Invalid("tenant name is empty: leave out %s for the tenant %q, or name one", TenantHeader, telemetry.DefaultTenant)
	case len(name) > maxTenant:
		return "", Invalid("tenant name of %d bytes is longer than the limit of %d bytes", len(name), maxTenant)
	case name == "." || name == "..":
		return "", Invalid("tenant name %q is reserved: choose another", name)
	case strings.Contains(name, "|"):
		return "", Invalid("tenant name %q names several tenants: a request has one tenant, send one request for each", name)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return !tenantRune(r) }); i >= 0 {
		return "", Invalid("tenant name %q has a character that is not allowed at byte %d: use letters, digits and !-_.*'()", name, i)
	}
	return name, nil
}

func tenantRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!-_.*'()", r)
}
