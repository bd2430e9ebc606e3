package traces

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/telemetry"
)

// kindNumber is how attr_kinds writes a value's kind: one more than
// telemetry.Kind, so that zero, which ClickHouse returns for an element that
// is not there, means no such attribute.
func kindNumber(k telemetry.Kind) uint8 { return uint8(k) + 1 }

// appendAttributes adds a row of attributes to a map of texts and the array of
// their kinds. Of attributes with equal keys the first counts.
func appendAttributes(m *mapColumn, kinds *arrayColumn[*proto.ColUInt8], attrs []telemetry.Attribute) {
	for i := range attrs {
		if repeated(attrs, i) {
			continue
		}
		m.Add(attrs[i].Key, attrs[i].Value.String())
		*kinds.values = append(*kinds.values, kindNumber(attrs[i].Value.Kind()))
	}
	m.EndRow()
	kinds.EndRow()
}

// repeated reports whether an attribute before the i-th has its key.
func repeated(attrs []telemetry.Attribute, i int) bool {
	for j := range i {
		if attrs[j].Key == attrs[i].Key {
			return true
		}
	}
	return false
}
