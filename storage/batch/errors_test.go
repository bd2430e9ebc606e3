package batch

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Senders learn at once that the spool is full, and which knob to turn.
func TestFullSpoolIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := spoolConfig(t.TempDir())
		cfg.MaxBytes, cfg.SegmentBytes = 10, 10
		s, err := NewSpool(cfg, newFlaky(true), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b, stop := start(t, DefaultConfig(), s)
		defer stop()
		began := time.Now()
		err = b.Write(t.Context(), adds(1))
		var insert *InsertError
		if !errors.Is(err, ErrFull) || !errors.As(err, &insert) || insert.HTTPStatus() != 503 || insert.RetryAfter() <= 0 || !strings.Contains(err.Error(), "spool.max_bytes is 10 bytes") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 10*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}
