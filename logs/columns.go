package logs

import "github.com/ClickHouse/ch-go/proto"

// dictColumn is a LowCardinality(String) column that looks a value up when it
// comes, and not at all when it is the one before: rows of a stream repeat
// theirs.
type dictColumn struct {
	ids    map[string]uint32
	values proto.ColStr
	keys   proto.ColUInt32
	last   string
}

// Append adds one value.
func (c *dictColumn) Append(s string) {
	if n := len(c.keys); n > 0 && s == c.last {
		c.keys = append(c.keys, c.keys[n-1])
		return
	}
	id, ok := c.ids[s]
	if !ok {
		if c.ids == nil {
			c.ids = map[string]uint32{}
		}
		id = uint32(len(c.ids))
		c.ids[s] = id
		c.values.Append(s)
	}
	c.keys, c.last = append(c.keys, id), s
}

// Reset empties the column and keeps its memory.
func (c *dictColumn) Reset() {
	clear(c.ids)
	c.values.Reset()
	c.keys.Reset()
	c.last = ""
}

// Type implements proto.ColInput.
func (c *dictColumn) Type() proto.ColumnType {
	return proto.ColumnTypeLowCardinality.Sub(proto.ColumnTypeString)
}

// Rows implements proto.ColInput.
func (c *dictColumn) Rows() int { return len(c.keys) }

// EncodeState implements proto.StateEncoder: the version of the keys' format.
func (c *dictColumn) EncodeState(b *proto.Buffer) { b.PutInt64(1) }

// EncodeColumn implements proto.ColInput: flags (the block brings its own
// dictionary) with the width of the keys, the dictionary, the keys.
func (c *dictColumn) EncodeColumn(b *proto.Buffer) {
	if len(c.keys) == 0 {
		return
	}
	const flags = 1<<9 | 1<<10
	b.PutInt64(flags | int64(proto.KeyUInt32))
	b.PutInt64(int64(c.values.Rows()))
	c.values.EncodeColumn(b)
	b.PutInt64(int64(len(c.keys)))
	c.keys.EncodeColumn(b)
}

// WriteColumn implements proto.ColInput.
func (c *dictColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// mapColumn is a Map(LowCardinality(String), String) column.
type mapColumn struct {
	ends   proto.ColUInt64
	keys   dictColumn
	values proto.ColStr
}

// Add puts a pair into the row at hand.
func (c *mapColumn) Add(key, value string) {
	c.keys.Append(key)
	c.values.Append(value)
}

// EndRow finishes the row at hand.
func (c *mapColumn) EndRow() { c.ends = append(c.ends, uint64(c.keys.Rows())) }

// Size is the column's bytes, roughly.
func (c *mapColumn) Size() int { return len(c.ends)*8 + c.keys.Rows()*20 + len(c.values.Buf) }

// Reset empties the column and keeps its memory.
func (c *mapColumn) Reset() {
	c.ends.Reset()
	c.keys.Reset()
	c.values.Reset()
}

// Type implements proto.ColInput.
func (c *mapColumn) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(c.keys.Type(), c.values.Type())
}

// Rows implements proto.ColInput.
func (c *mapColumn) Rows() int { return len(c.ends) }

// EncodeState implements proto.StateEncoder.
func (c *mapColumn) EncodeState(b *proto.Buffer) { c.keys.EncodeState(b) }

// EncodeColumn implements proto.ColInput.
func (c *mapColumn) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.keys.EncodeColumn(b)
	c.values.EncodeColumn(b)
}

// WriteColumn implements proto.ColInput.
func (c *mapColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
