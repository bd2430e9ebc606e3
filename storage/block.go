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
	var buf proto.Buffer
	b := proto.Block{Columns: len(input), Rows: rows}
	// Version 0 is the Native format of HTTP and of files: no block info and
	// no flag for custom serialization.
	if err := b.EncodeRawBlock(&buf, 0, input); err != nil {
		return Block{}, fmt.Errorf("cannot encode %d rows for table %s: %w", rows, table, err)
	}
	return Block{Table: table, Columns: input.Columns(), Rows: rows, Token: token, Native: buf.Buf}, nil
}
