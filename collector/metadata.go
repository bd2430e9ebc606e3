package collector

import (
	"cmp"
	"slices"

	"github.com/watchfire/watchfire/telemetry"
)

// SortMetadata sorts attrs by key in place and keeps the first of equal keys,
// as a log record's metadata has to be.
func SortMetadata(attrs []telemetry.Attribute) []telemetry.Attribute {
	if len(attrs) < 2 {
		return attrs
	}
	slices.SortStableFunc(attrs, func(a, b telemetry.Attribute) int { return cmp.Compare(a.Key, b.Key) })
	return slices.CompactFunc(attrs, func(a, b telemetry.Attribute) bool { return a.Key == b.Key })
}
