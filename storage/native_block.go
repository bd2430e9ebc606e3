package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// rawColumn is a column of a Block as it stands in its bytes. The native
// protocol frames columns as the Native format does, so that they go to the
// server as they are.
type rawColumn struct {
	typ  proto.ColumnType
	rows int
	data []byte
}

func (c rawColumn) Type() proto.ColumnType       { return c.typ }
func (c rawColumn) Rows() int                    { return c.rows }
func (c rawColumn) EncodeColumn(b *proto.Buffer) { b.Buf = append(b.Buf, c.data...) }
func (c rawColumn) WriteColumn(w *proto.Writer)  { w.ChainWrite(c.data) }

// splitBlock finds the columns of one block in the Native format, without
// decoding their values.
func splitBlock(native []byte) (proto.Input, error) {
	c := &cursor{rest: native}
	columns, rows := c.uvarint(), c.uvarint()
	if columns > uint64(len(native)) {
		return nil, errTruncated
	}
	var input proto.Input
	for range columns {
		name, typ := c.str(), c.str()
		start := c.rest
		if rows > 0 {
			c.prefix(typ)
			c.column(typ, rows)
		}
		if c.err != nil {
			return nil, fmt.Errorf("cannot read column %q of type %s in a block: %w", name, typ, c.err)
		}
		input = append(input, proto.InputColumn{Name: name, Data: rawColumn{
			typ: proto.ColumnType(typ), rows: int(rows), data: start[:len(start)-len(c.rest)],
		}})
	}
	if c.err == nil && len(c.rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the block", len(c.rest))
	}
	return input, c.err
}

var errTruncated = errors.New("the block is cut short")

// cursor reads through bytes; after the first error it reads nothing more.
type cursor struct {
	rest  []byte
	err   error
	depth int
}

func (c *cursor) skip(n uint64) []byte {
	if c.err == nil && n > uint64(len(c.rest)) {
		c.err = errTruncated
	}
	if c.err != nil {
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) uvarint() uint64 {
	n, size := binary.Uvarint(c.rest)
	if c.err == nil && size <= 0 {
		c.err = errTruncated
	}
	if c.err != nil {
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

func (c *cursor) uint64() uint64 {
	if b := c.skip(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) str() string { return string(c.skip(c.uvarint())) }

// times skips n values of a size.
func (c *cursor) times(n, size uint64) []byte {
	if n > uint64(len(c.rest)) { // and so n*size can't overflow
		n, size = uint64(len(c.rest))+1, 1
	}
	return c.skip(n * size)
}

// prefix skips what a type writes once before its values.
func (c *cursor) prefix(typ string) {
	base, args := splitType(typ)
	switch base {
	case "LowCardinality", "JSON":
		c.skip(8) // the version of the serialization
	case "Array", "Nullable", "Map", "Tuple", "SimpleAggregateFunction":
		for _, a := range c.elements(base, args) {
			c.prefix(a)
		}
	}
}

// elements are the types within a type.
func (c *cursor) elements(base string, args []string) []string {
	switch want := map[string]int{"Array": 1, "Nullable": 1, "LowCardinality": 1, "Map": 2, "SimpleAggregateFunction": 2}[base]; {
	case len(args) == 0, want > 0 && len(args) != want:
		c.err = fmt.Errorf("%s has %d arguments", base, len(args))
		return nil
	}
	if c.depth++; c.depth > 1000 {
		c.err = errors.New("the type is too deep")
		return nil
	}
	if base == "SimpleAggregateFunction" {
		return args[1:]
	}
	if base == "Tuple" {
		for i, a := range args {
			args[i] = elementType(a)
		}
	}
	return args
}

// column skips the values of a type.
func (c *cursor) column(typ string, rows uint64) {
	if c.err != nil || rows == 0 {
		return
	}
	base, args := splitType(typ)
	if size := fixedSize(base, args); size > 0 {
		c.times(rows, size)
		return
	}
	switch base {
	case "String", "JSON":
		for range rows {
			if c.skip(c.uvarint()); c.err != nil {
				return
			}
		}
	case "Nullable":
		c.times(rows, 1)
		c.each(base, args, rows)
	case "Array", "Map":
		offsets := c.times(rows, 8)
		if c.err == nil {
			c.each(base, args, binary.LittleEndian.Uint64(offsets[len(offsets)-8:]))
		}
	case "Tuple", "SimpleAggregateFunction":
		c.each(base, args, rows)
	case "LowCardinality":
		c.lowCardinality(args)
	default:
		if c.err == nil {
			c.err = fmt.Errorf("type %s can't be sent over the native protocol, use https://", typ)
		}
	}
}

func (c *cursor) each(base string, args []string, rows uint64) {
	for _, a := range c.elements(base, args) {
		c.column(a, rows)
	}
}

// lowCardinality skips a dictionary and the indexes into it.
func (c *cursor) lowCardinality(args []string) {
	flags := c.uint64()
	const additionalKeys = 1 << 9
	if flags&additionalKeys != 0 {
		keys := c.uint64()
		for _, a := range c.elements("LowCardinality", args) {
			if base, inner := splitType(a); base == "Nullable" && len(inner) == 1 {
				a = inner[0]
			}
			c.column(a, keys)
		}
	}
	c.times(c.uint64(), 1<<(flags&3))
}

// splitType cuts "Map(String, Array(UInt8))" into "Map" and its arguments.
func splitType(typ string) (base string, args []string) {
	base, inner, ok := strings.Cut(strings.TrimSpace(typ), "(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return base, nil
	}
	inner = inner[:len(inner)-1]
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(inner); i++ {
		switch ch := inner[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '\'':
			quoted = !quoted
		case quoted:
		case ch == '(':
			depth++
		case ch == ')':
			depth--
		case ch == ',' && depth == 0:
			args = append(args, strings.TrimSpace(inner[start:i]))
			start = i + 1
		}
	}
	return base, append(args, strings.TrimSpace(inner[start:]))
}

// elementType drops the name of a named tuple's element.
func elementType(element string) string {
	name, typ, ok := strings.Cut(element, " ")
	if !ok || strings.ContainsAny(name, "('") {
		return element
	}
	return typ
}

// fixedSize is the size of a type's values in bytes, or zero.
func fixedSize(base string, args []string) uint64 {
	switch base {
	case "Int8", "UInt8", "Bool", "Enum8", "Nothing":
		return 1
	case "Int16", "UInt16", "Enum16", "Date", "BFloat16":
		return 2
	case "Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time":
		return 4
	case "Int64", "UInt64", "Float64", "DateTime64", "Decimal64", "Time64":
		return 8
	case "Int128", "UInt128", "UUID", "IPv6", "Decimal128":
		return 16
	case "Int256", "UInt256", "Decimal256":
		return 32
	case "FixedString":
		if len(args) == 1 {
			n, _ := strconv.ParseUint(args[0], 10, 31)
			return n
		}
	case "Decimal":
		return decimalSize(args)
	}
	return 0
}

func decimalSize(args []string) uint64 {
	if len(args) == 0 {
		return 0
	}
	digits, err := strconv.Atoi(args[0])
	switch {
	case err != nil || digits < 1 || digits > 76:
		return 0
	case digits < 10:
		return 4
	case digits < 19:
		return 8
	case digits < 39:
		return 16
	}
	return 32
}
