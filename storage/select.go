package storage

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// Select is a query whose result may be big: it arrives block by block, each
// in columns.
type Select struct {
	// SQL has no FORMAT clause.
	SQL string
	// Result names and types the columns of the result, in its order.
	Result proto.Results
	// OnBlock is called for every block, with its rows in Result's columns,
	// which are reset for the next one. An error ends the query. When Select
	// fails, the rows of earlier calls are not the whole result.
	OnBlock func(rows int) error
}

// Stats is what a query cost the server. Over HTTP the server tells its
// counters with the first block: for a query that streams, Rows and Bytes are
// then those of the result, when they are more.
type Stats struct {
	Rows, Bytes uint64 // read, uncompressed
	Elapsed     time.Duration
}

// Add sums the stats of queries.
func (s *Stats) Add(o Stats) {
	s.Rows += o.Rows
	s.Bytes += o.Bytes
	s.Elapsed += o.Elapsed
}

// Select runs q. When ctx ends, the query is cancelled on the server.
func (c *Client) Select(ctx context.Context, q Select) (Stats, error) {
	done := c.metrics.begin("select")
	delivered := false
	inner := q
	inner.OnBlock = func(rows int) error {
		delivered = true
		return q.OnBlock(rows)
	}
	settings := append(limitSettings(ctx), readSettings...)
	var (
		stats Stats
		err   error
	)
	for attempt := 0; ; attempt++ {
		stats, err = c.transport.selectBlocks(ctx, inner, rand.Text(), settings)
		if err == nil || delivered || !again(ctx, err, attempt) {
			break
		}
	}
	err = convert(ctx, err)
	done(err)
	c.metrics.readRows.Add(float64(stats.Rows))
	c.metrics.readSize.Add(float64(stats.Bytes))
	return stats, err
}

// readSettings make a query unable to change data, and over HTTP one that
// ends when its client leaves.
var readSettings = []setting{
	{"readonly", "2"},
	{"cancel_http_readonly_queries_on_client_close", "1"},
}
