package traces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/watchfire/watchfire/telemetry"
)

var errEncoding = errors.New("stored span is cut short or not in a known form")

// decoder reads what encode.go writes. After an error it reads zeros.
type decoder struct {
	text string // all; texts are parts of it, not copies
	at   int
	err  error
}

// decodeSpan fills s from text; fields that are columns stay as they are.
// s.Start must be set, for the times of events are relative to it.
func decodeSpan(s *telemetry.Span, text string) error {
	d := newDecoder(text)
	d.bytes(s.ParentID[:])
	s.TraceState = d.str()
	s.Flags = uint32(d.uvarint())
	s.Name = d.str()
	s.Duration = d.varint()
	s.Status = telemetry.StatusCode(d.byte())
	s.StatusMessage = d.str()
	s.Attributes = d.attrs()
	if n := d.count(3); n > 0 {
		s.Events = make([]telemetry.SpanEvent, n)
	}
	for i := range s.Events {
		s.Events[i] = telemetry.SpanEvent{Time: s.Start + d.varint(), Name: d.str(), Attributes: d.attrs()}
	}
	if n := d.count(26); n > 0 {
		s.Links = make([]telemetry.SpanLink, n)
	}
	for i := range s.Links {
		l := &s.Links[i]
		d.bytes(l.TraceID[:])
		d.bytes(l.SpanID[:])
		l.TraceState = d.str()
		l.Attributes = d.attrs()
	}
	return d.end()
}

func decodeResource(text string) ([]telemetry.Attribute, error) {
	d := newDecoder(text)
	attrs := d.attrs()
	return attrs, d.end()
}

func decodeScope(text string) (telemetry.Scope, error) {
	d := newDecoder(text)
	s := telemetry.Scope{Name: d.str(), Version: d.str(), Attributes: d.attrs()}
	return s, d.end()
}

func newDecoder(text string) *decoder {
	d := &decoder{text: text}
	if v := d.byte(); v != encodingVersion && d.err == nil {
		d.err = fmt.Errorf("%w: version %d", errEncoding, v)
	}
	return d
}

// end returns the first error; bytes left over are one.
func (d *decoder) end() error {
	if d.err == nil && d.at != len(d.text) {
		d.err = errEncoding
	}
	return d.err
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errEncoding
	}
	d.at = len(d.text)
}

func (d *decoder) byte() byte {
	if d.at >= len(d.text) {
		d.fail()
		return 0
	}
	d.at++
	return d.text[d.at-1]
}

func (d *decoder) bytes(to []byte) {
	if len(d.text)-d.at < len(to) {
		d.fail()
		return
	}
	d.at += copy(to, d.text[d.at:])
}

func (d *decoder) uvarint() uint64 {
	var x uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		x |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return x
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) str() string {
	n := d.uvarint()
	if n > uint64(len(d.text)-d.at) {
		d.fail()
		return ""
	}
	d.at += int(n)
	return d.text[d.at-int(n) : d.at]
}

// count reads the length of a list whose elements take at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64((len(d.text)-d.at)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) attrs() []telemetry.Attribute {
	n := d.count(3)
	if n == 0 {
		return nil
	}
	attrs := make([]telemetry.Attribute, n)
	for i := range attrs {
		attrs[i].Key = d.str()
		switch kind := telemetry.Kind(d.byte()); kind {
		case telemetry.KindString:
			attrs[i].Value = telemetry.StringValue(d.str())
		case telemetry.KindInt:
			attrs[i].Value = telemetry.IntValue(d.varint())
		case telemetry.KindFloat:
			var b [8]byte
			d.bytes(b[:])
			attrs[i].Value = telemetry.FloatValue(math.Float64frombits(binary.LittleEndian.Uint64(b[:])))
		case telemetry.KindBool:
			attrs[i].Value = telemetry.BoolValue(d.byte() != 0)
		case telemetry.KindJSON:
			attrs[i].Value = telemetry.JSONValue(d.str())
		default:
			d.fail()
		}
	}
	return attrs
}
