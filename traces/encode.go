package traces

import (
	"encoding/binary"
	"math"

	"github.com/watchfire/watchfire/telemetry"
)

// The form of spans, resources and scopes in spans_by_trace: a version byte,
// then fields in order; integers as varints (signed ones in zigzag), texts and
// lists after their length, floats as 8 bytes little endian. It keeps
// telemetry.Span exactly, with the kinds and the order of attributes.
const encodingVersion = 1

// appendSpan writes what the table's columns do not hold: all but trace id,
// span id, kind, start, resource and scope.
func appendSpan(b []byte, s *telemetry.Span) []byte {
	b = append(b, encodingVersion)
	b = append(b, s.ParentID[:]...)
	b = appendText(b, s.TraceState)
	b = binary.AppendUvarint(b, uint64(s.Flags))
	b = appendText(b, s.Name)
	b = binary.AppendVarint(b, s.Duration)
	b = append(b, byte(s.Status))
	b = appendText(b, s.StatusMessage)
	b = appendAttrs(b, s.Attributes)
	b = binary.AppendUvarint(b, uint64(len(s.Events)))
	for i := range s.Events {
		b = binary.AppendVarint(b, s.Events[i].Time-s.Start)
		b = appendText(b, s.Events[i].Name)
		b = appendAttrs(b, s.Events[i].Attributes)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Links)))
	for i := range s.Links {
		b = append(b, s.Links[i].TraceID[:]...)
		b = append(b, s.Links[i].SpanID[:]...)
		b = appendText(b, s.Links[i].TraceState)
		b = appendAttrs(b, s.Links[i].Attributes)
	}
	return b
}

func appendResource(b []byte, attrs []telemetry.Attribute) []byte {
	return appendAttrs(append(b, encodingVersion), attrs)
}

func appendScope(b []byte, s *telemetry.Scope) []byte {
	b = append(b, encodingVersion)
	b = appendText(b, s.Name)
	b = appendText(b, s.Version)
	return appendAttrs(b, s.Attributes)
}

func appendAttrs(b []byte, attrs []telemetry.Attribute) []byte {
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	for i := range attrs {
		v := attrs[i].Value
		b = appendText(b, attrs[i].Key)
		b = append(b, byte(v.Kind()))
		switch v.Kind() {
		case telemetry.KindInt:
			b = binary.AppendVarint(b, v.Int())
		case telemetry.KindFloat:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float()))
		case telemetry.KindBool:
			if v.Bool() {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		default:
			b = appendText(b, v.String())
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
