package traces

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/watchfire/watchfire/telemetry"
)

// ParseTraceID reads a trace id of up to 32 hexadecimal digits in either case;
// shorter ones, such as the 64-bit ids of Zipkin and old Jaeger clients, are
// filled with zeros on the left.
func ParseTraceID(s string) (id telemetry.TraceID, err error) {
	err = parseHex(id[:], s)
	return id, err
}

// ParseSpanID is the same for span ids of up to 16 digits.
func ParseSpanID(s string) (id telemetry.SpanID, err error) {
	err = parseHex(id[:], s)
	return id, err
}

func parseHex(id []byte, s string) error {
	digits := len(id) * 2
	if s == "" || len(s) > digits {
		return fmt.Errorf("id %q has %d digits: want 1 to %d hexadecimal digits", shorten(s), len(s), digits)
	}
	if _, err := hex.Decode(id, []byte(strings.Repeat("0", digits-len(s))+s)); err != nil {
		return fmt.Errorf("id %q is not hexadecimal: %w", shorten(s), err)
	}
	return nil
}

func hexID(id telemetry.TraceID) string { return hex.EncodeToString(id[:]) }
