package remotewrite

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a protobuf message.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	bits  uint64 // of varint, fixed32 and fixed64
	bytes []byte // of length-delimited, within the message
}

// next reads the field at the start of msg and returns what follows it.
func next(msg []byte) (f field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	f.num, f.typ, msg = num, typ, msg[n:]
	switch typ {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(msg)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(msg)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(msg)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(msg)
		f.bits = uint64(v)
	default:
		n = protowire.ConsumeFieldValue(num, typ, msg)
	}
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	return f, msg[n:], nil
}

// want checks the wire type of a known field.
func (f field) want(typ protowire.Type, name string) error {
	if f.typ != typ {
		return fmt.Errorf("field %s (%d) has wire type %d, want %d", name, f.num, f.typ, typ)
	}
	return nil
}

const (
	varint = protowire.VarintType
	double = protowire.Fixed64Type
	packed = protowire.BytesType
)
