package traces

import (
	"github.com/cespare/xxhash/v2"

	"github.com/watchfire/watchfire/telemetry"
)

// resource is what the rows of a resource's spans share.
type resource struct {
	id    uint64 // XXH64 of text
	text  string // appendResource
	attrs []telemetry.Attribute

	service, application, cluster, namespace string
}

func newResource(attrs []telemetry.Attribute, table telemetry.IdentityTable) *resource {
	text := string(appendResource(nil, attrs))
	identity := table.FromAttributes(attrs)
	r := &resource{
		id: xxhash.Sum64String(text), text: text, attrs: attrs,
		application: identity.Application, cluster: identity.Cluster, namespace: identity.Namespace,
	}
	if v, ok := telemetry.Lookup(attrs, "service.name"); ok && v.Kind() == telemetry.KindString {
		r.service = v.String()
	}
	return r
}

// sameSlice reports whether a and b are the same attributes in memory.
func sameSlice(a, b []telemetry.Attribute) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
