package storage

import (
	"context"
	"fmt"
	"time"
)

// Insert stores a block. It returns when the rows are on the server's disk;
// a block whose Token is known already is acknowledged without being stored
// again. An error that is not Permanent leaves open whether the block is
// stored: send it again with the same token.
func (c *Client) Insert(ctx context.Context, b Block) error {
	if b.Rows == 0 {
		return nil
	}
	done := c.metrics.begin("insert")
	settings := append(limitSettings(ctx), insertSettings...)
	if b.Token != "" {
		settings = append(settings, setting{"insert_deduplication_token", b.Token})
	}
	bounded := ctx
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, insertTimeout)
		defer cancel()
	}
	err := convert(ctx, c.transport.insert(bounded, b, settings))
	done(err)
	if err != nil {
		return fmt.Errorf("cannot insert %d rows into %s: %w", b.Rows, b.Table, err)
	}
	c.metrics.insertRows.Add(float64(b.Rows))
	c.metrics.insertSize.Add(float64(len(b.Native)))
	return nil
}

// insertTimeout bounds an insert whose context has no deadline: a server that
// hangs counts as unavailable.
const insertTimeout = 2 * time.Minute

// insertSettings make an insert synchronous, on a Distributed table too.
var insertSettings = []setting{
	{"async_insert", "0"},
	{"distributed_foreground_insert", "1"},
	{"materialized_views_ignore_errors", "0"},
	{"deduplicate_blocks_in_dependent_materialized_views", "1"},
	// A backfill spans more days than the default of 100.
	{"max_partitions_per_insert_block", "1000"},
}

// statement is the INSERT of a block.
func (b Block) statement() string {
	return fmt.Sprintf("INSERT INTO %s %s FORMAT Native", b.Table, b.Columns)
}
