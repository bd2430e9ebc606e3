package traces

import (
	"errors"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// retryAfter is when to try again while ClickHouse is away.
const retryAfter = 5 * time.Second

// limitError makes a query that ran into one of QueryConfig's limits the
// caller's matter, and names the options.
func limitError(err error) error {
	if errors.Is(err, storage.ErrLimit) {
		return server.Unprocessable("%w: ask for a shorter time or a narrower filter, or raise traces.query.timeout, max_rows_read or max_memory", err)
	}
	if errors.Is(err, storage.ErrUnavailable) {
		return server.Unavailable(retryAfter, "%w", err)
	}
	return err
}
