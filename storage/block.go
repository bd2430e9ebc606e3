package storage

import (
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
)

// Block is a finished insert: rows of one table, encoded once in ClickHouse's
// Native format, so that the same bytes go to the server, to the spool, and to
// the server again from there.
type Block struct {
	Table   string
	Columns string // "(a, b, c)", quoted
	Rows    int
	Token   string // insert_deduplication_token: the same at every retry
	Native  []byte
}

// NewBlock encodes input, whose columns must all have rows values.
func NewBlock(table, token string, rows int, input proto.Input) (Block, error) {
	buf := proto.Buffer{Buf: make([]byte, 0, encodedSize(rows, input))}
	b := proto.Block{Columns: len(input), Rows: rows}
	// Version 0 is the Native format of HTTP and of files: no block info and
	// no flag for custom serialization.
	if err := b.EncodeRawBlock(&buf, 0, input); err != nil {
		return Block{}, fmt.Errorf("cannot encode %d rows for table %s: %w", rows, table, err)
	}
	return Block{Table: table, Columns: input.Columns(), Rows: rows, Token: token, Native: buf.Buf}, nil
}

// encodedSize guesses the bytes of a block, so that encoding does not copy it
// again and again as it grows.
func encodedSize(rows int, input proto.Input) int {
	size := 1024
	for _, c := range input {
		switch c.Data.Type().Base() {
		case proto.ColumnTypeInt8, proto.ColumnTypeUInt8, proto.ColumnTypeBool:
			size += rows
		case proto.ColumnTypeLowCardinality, proto.ColumnTypeInt16, proto.ColumnTypeUInt16, proto.ColumnTypeDate:
			size += 2 * rows
		case proto.ColumnTypeInt32, proto.ColumnTypeUInt32, proto.ColumnTypeFloat32, proto.ColumnTypeDateTime:
			size += 4 * rows
		case proto.ColumnTypeInt64, proto.ColumnTypeUInt64, proto.ColumnTypeFloat64, proto.ColumnTypeDateTime64:
			size += 8 * rows
		default:
			size += 16 * rows
		}
	}
	return size + size/32
}
