// Package wire reads protobuf messages field by field, without copying and
// without generated types, for the protocols whose speed matters.
package wire

import (
	"fmt"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field is one field of a protobuf message.
type Field struct {
	Num   protowire.Number
	Type  protowire.Type
	Bits  uint64 // of varint, fixed32 and fixed64
	Bytes []byte // of length-delimited, within the message
}

// Next reads the field at the start of msg and returns what follows it.
func Next(msg []byte) (f Field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	f.Num, f.Type, msg = num, typ, msg[n:]
	switch typ {
	case protowire.VarintType:
		f.Bits, n = protowire.ConsumeVarint(msg)
	case protowire.Fixed64Type:
		f.Bits, n = protowire.ConsumeFixed64(msg)
	case protowire.BytesType:
		f.Bytes, n = protowire.ConsumeBytes(msg)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(msg)
		f.Bits = uint64(v)
	default:
		n = protowire.ConsumeFieldValue(num, typ, msg)
	}
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	return f, msg[n:], nil
}

// Want checks the wire type of a known field.
func (f Field) Want(typ protowire.Type, name string) error {
	if f.Type != typ {
		return fmt.Errorf("field %s (%d) has wire type %d, want %d", name, f.Num, f.Type, typ)
	}
	return nil
}

// The wire types that protocols use.
const (
	Varint  = protowire.VarintType
	Fixed64 = protowire.Fixed64Type
	Bytes   = protowire.BytesType
)

// String is b as a string without a copy, valid as long as b is not changed.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
