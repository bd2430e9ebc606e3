package eval

import (
	"context"
	"sync"
	"time"
)

// watermarks remembers each tenant's watermark for a moment.
type watermarks struct {
	ask   Watermark
	mu    sync.Mutex
	known map[string]mark
}

type mark struct{ value, asked time.Time }

func (w *watermarks) reached(ctx context.Context, tenant string, t int64) bool {
	if w.ask == nil {
		return true
	}
	w.mu.Lock()
	m, ok := w.known[tenant]
	w.mu.Unlock()
	if !ok || m.value.UnixMilli() < t && time.Since(m.asked) >= 100*time.Millisecond {
		m = mark{w.ask(ctx, tenant), time.Now()}
		w.mu.Lock()
		if w.known == nil {
			w.known = map[string]mark{}
		}
		w.known[tenant] = m
		w.mu.Unlock()
	}
	return m.value.IsZero() || m.value.UnixMilli() >= t
}
