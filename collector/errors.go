package collector

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/watchfire/watchfire/server"
)

// retryAfter is how long senders are asked to wait when a sink does not say.
const retryAfter = 5 * time.Second

// StoreError is how a sink's error is told to a sender. What has no status of
// its own becomes 503, which every protocol's senders repeat; OTLP's would
// drop the data on 500.
func StoreError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e := server.AsError(ctx, err); e.Status != http.StatusInternalServerError && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Unavailable(retryAfter, "cannot store now, send it again: %w", err)
}
