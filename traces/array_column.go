package traces

import "github.com/ClickHouse/ch-go/proto"

// arrayColumn builds an Array column: append to values, then EndRow.
type arrayColumn[C arrayValues] struct {
	offsets proto.ColUInt64
	values  C
}

// EndRow finishes the current row.
func (c *arrayColumn[C]) EndRow() { c.offsets = append(c.offsets, uint64(c.values.Rows())) }

// Reset empties the column and keeps its memory.
func (c *arrayColumn[C]) Reset() {
	c.offsets = c.offsets[:0]
	c.values.Reset()
}

// Type implements proto.ColInput.
func (c *arrayColumn[C]) Type() proto.ColumnType {
	return proto.ColumnTypeArray.Sub(c.values.Type())
}

// Rows implements proto.ColInput.
func (c *arrayColumn[C]) Rows() int { return len(c.offsets) }

// EncodeState implements proto.StateEncoder.
func (c *arrayColumn[C]) EncodeState(b *proto.Buffer) {
	if s, ok := any(c.values).(proto.StateEncoder); ok {
		s.EncodeState(b)
	}
}

// EncodeColumn implements proto.ColInput.
func (c *arrayColumn[C]) EncodeColumn(b *proto.Buffer) {
	c.offsets.EncodeColumn(b)
	c.values.EncodeColumn(b)
}

// WriteColumn implements proto.ColInput.
func (c *arrayColumn[C]) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// mapColumn builds a Map(LowCardinality(String), String) column.
type mapColumn struct {
	offsets proto.ColUInt64
	keys    dictColumn
	values  proto.ColStr
}

// Add puts a pair into the current row; keys must not repeat within a row.
func (c *mapColumn) Add(key, value string) {
	c.keys.Append(key)
	c.values.Append(value)
}

// EndRow finishes the current row.
func (c *mapColumn) EndRow() { c.offsets = append(c.offsets, uint64(c.keys.Rows())) }

// Size is the column's bytes, roughly.
func (c *mapColumn) Size() int { return len(c.offsets)*8 + c.keys.Rows()*18 + len(c.values.Buf) }

// Reset empties the column and keeps its memory.
func (c *mapColumn) Reset() {
	c.offsets = c.offsets[:0]
	c.keys.Reset()
	c.values.Reset()
}

// Type implements proto.ColInput.
func (c *mapColumn) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(c.keys.Type(), c.values.Type())
}

// Rows implements proto.ColInput.
func (c *mapColumn) Rows() int { return len(c.offsets) }

// EncodeState implements proto.StateEncoder.
func (c *mapColumn) EncodeState(b *proto.Buffer) { c.keys.EncodeState(b) }

// EncodeColumn implements proto.ColInput.
func (c *mapColumn) EncodeColumn(b *proto.Buffer) {
	c.offsets.EncodeColumn(b)
	c.keys.EncodeColumn(b)
	c.values.EncodeColumn(b)
}

// WriteColumn implements proto.ColInput.
func (c *mapColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// arrayValues is what an Array's elements are kept in.
type arrayValues interface {
	proto.ColInput
	proto.Resettable
}
