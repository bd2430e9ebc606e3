package storage

import (
	"context"
	"errors"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// retries is how often a request that does no harm when it comes twice is sent
// again because its connection broke: the server closes idle ones, and the
// embedded engine has been seen to reset some under runaway queries.
const retries = 2

// again tells whether to send a request once more, after a short pause. Answers
// of the server are final.
func again(ctx context.Context, err error, attempt int) bool {
	var (
		ours   *Error
		theirs *clickhouse.Exception
		native *ch.Exception
	)
	if attempt >= retries || errors.As(err, &ours) || errors.As(err, &theirs) || errors.As(err, &native) || !reset(err) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(1+attempt*4) * 25 * time.Millisecond):
		return true
	}
}
