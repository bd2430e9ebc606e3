package otlp

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/server"
)

// Bounds of one request whatever the limits say. A message of two bytes takes
// some hundred once decoded, and each level of nesting a stack frame.
const (
	maxMessages = 4 << 20
	maxDepth    = 64
)

// shape is a message type as far as measuring needs it: the fields that hold
// messages.
type shape struct {
	record bool // counts against the limit on records
	fields map[protowire.Number]*shape
}

type fields = map[protowire.Number]*shape

// The shapes of opentelemetry/proto/{common,resource,logs,trace,metrics}/v1.
var (
	anyValue  = &shape{fields: fields{}}
	keyValue  = &shape{fields: fields{2: anyValue}}
	array     = &shape{fields: fields{1: anyValue}}
	keyValues = &shape{fields: fields{1: keyValue}}
	resource  = &shape{fields: fields{1: keyValue}}
	scope     = &shape{fields: fields{3: keyValue}}

	logRecord = &shape{record: true, fields: fields{5: anyValue, 6: keyValue}}
	logsShape = export(logRecord)

	span = &shape{record: true, fields: fields{
		9:  keyValue,
		11: {fields: fields{3: keyValue}}, // events
		13: {fields: fields{4: keyValue}}, // links
		15: {},                            // status
	}}
	tracesShape = export(span)

	exemplar    = &shape{fields: fields{7: keyValue}}
	number      = &shape{record: true, fields: fields{5: exemplar, 7: keyValue}}
	histogram   = &shape{record: true, fields: fields{8: exemplar, 9: keyValue}}
	exponential = &shape{record: true, fields: fields{1: keyValue, 8: {}, 9: {}, 11: exemplar}}
	summary     = &shape{record: true, fields: fields{6: {}, 7: keyValue}}
	metric      = &shape{fields: fields{
		5: {fields: fields{1: number}}, 7: {fields: fields{1: number}}, 9: {fields: fields{1: histogram}},
		10: {fields: fields{1: exponential}}, 11: {fields: fields{1: summary}}, 12: keyValue,
	}}
	metricsShape = export(metric)
)

func init() { anyValue.fields[5], anyValue.fields[6] = array, keyValues }

// export is the shape of a request: resources with scopes with records.
func export(record *shape) *shape {
	scoped := &shape{fields: fields{1: scope, 2: record}}
	return &shape{fields: fields{1: {fields: fields{1: resource, 2: scoped}}}}
}

// measure walks a request without decoding it and refuses one that would take
// too much memory.
func measure(body []byte, s *shape, limits collector.Limits) error {
	m := measurement{}
	if err := m.walk(body, s, 0); err != nil {
		return err
	}
	if collector.Exceeds(m.records, limits.MaxRecords) {
		return tooManyRecords(m.records, limits)
	}
	return nil
}

func tooManyRecords(n int, limits collector.Limits) error {
	return server.TooLarge("%s", collector.Excess("records of the request", n, "collector.limits.max_records", limits.MaxRecords)+": send smaller requests")
}

func tooManyMessages() error {
	return server.TooLarge("the request has more than %d parts (records, attributes, values): send smaller requests", maxMessages)
}

func tooDeep() error { return server.Invalid("the request is nested deeper than %d levels", maxDepth) }

type measurement struct{ messages, records int }

func (m *measurement) walk(msg []byte, s *shape, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	if m.messages++; m.messages > maxMessages {
		return tooManyMessages()
	}
	if s.record {
		m.records++
	}
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return malformed(protowire.ParseError(n))
		}
		msg = msg[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, msg); n < 0 {
				return malformed(protowire.ParseError(n))
			}
			msg = msg[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(msg)
		if n < 0 {
			return malformed(protowire.ParseError(n))
		}
		msg = msg[n:]
		if child := s.fields[num]; child != nil {
			if err := m.walk(inner, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func malformed(err error) error { return server.Invalid("cannot parse the request: %w", err) }

// measureJSON does the same for JSON, where every message is an object.
func measureJSON(body []byte) error {
	objects, depth, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if c == '{' {
				objects++
			}
			if depth++; depth > 2*maxDepth {
				return tooDeep()
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if objects > maxMessages {
		return tooManyMessages()
	}
	return nil
}
