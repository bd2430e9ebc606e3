package metrics

import "github.com/ClickHouse/ch-go/proto"

// dictColumn builds a LowCardinality(String) column as its values arrive, so
// that a repeated value costs one comparison instead of a second pass over all
// rows (proto.ColLowCardinality keeps every row's string until it encodes).
type dictColumn struct {
	index  map[string]uint32
	values proto.ColStr
	keys   []uint32
	spare  []uint32 // for permute
	last   string
	lastID uint32
	size   int // bytes of distinct values
}

// Append adds one value.
func (c *dictColumn) Append(s string) { c.AppendN(s, 1) }

// AppendN adds a value n times.
func (c *dictColumn) AppendN(s string, n int) {
	if n == 0 {
		return
	}
	id := c.lastID
	if len(c.keys) == 0 || s != c.last {
		id = c.id(s)
	}
	for range n {
		c.keys = append(c.keys, id)
	}
}

func (c *dictColumn) id(s string) uint32 {
	if c.index == nil {
		c.index = map[string]uint32{}
	}
	id, ok := c.index[s]
	if !ok {
		id = uint32(len(c.index))
		c.index[s] = id
		c.values.Append(s)
		c.size += len(s) + 16
	}
	c.last, c.lastID = s, id
	return id
}

// Reset empties the column and keeps its memory.
func (c *dictColumn) Reset() {
	clear(c.index)
	c.values.Reset()
	c.keys = c.keys[:0]
	c.last, c.lastID, c.size = "", 0, 0
}

// Type implements proto.ColInput.
func (c *dictColumn) Type() proto.ColumnType {
	return proto.ColumnTypeLowCardinality.Sub(proto.ColumnTypeString)
}

// Rows implements proto.ColInput.
func (c *dictColumn) Rows() int { return len(c.keys) }

// EncodeState implements proto.StateEncoder: the version of the keys'
// serialization.
func (c *dictColumn) EncodeState(b *proto.Buffer) { b.PutInt64(1) }

// EncodeColumn implements proto.ColInput: flags with the width of the keys,
// dictionary, keys.
func (c *dictColumn) EncodeColumn(b *proto.Buffer) {
	if len(c.keys) == 0 {
		return
	}
	const additionalKeysAndUpdate = 1<<9 | 1<<10
	width := keyWidth(len(c.index))
	b.PutInt64(additionalKeysAndUpdate | int64(width))
	b.PutInt64(int64(c.values.Rows()))
	c.values.EncodeColumn(b)
	b.PutInt64(int64(len(c.keys)))
	switch width {
	case proto.KeyUInt8:
		for _, k := range c.keys {
			b.PutUInt8(uint8(k))
		}
	case proto.KeyUInt16:
		for _, k := range c.keys {
			b.PutUInt16(uint16(k))
		}
	default:
		keys := proto.ColUInt32(c.keys)
		keys.EncodeColumn(b)
	}
}

// WriteColumn implements proto.ColInput.
func (c *dictColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// keyWidth is the narrowest key for n distinct values.
func keyWidth(n int) proto.CardinalityKey {
	switch {
	case n <= 1<<8:
		return proto.KeyUInt8
	case n <= 1<<16:
		return proto.KeyUInt16
	}
	return proto.KeyUInt32
}
