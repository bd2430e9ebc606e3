package self

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

const (
	source = "self"
	// queued is how many lines wait until they are stored; further ones are
	// only written to where they are written anyway.
	queued = 4096
	// perSecond and burst bound what is stored. Storing a line may cause lines
	// in goroutines that cannot know whose work they do; the bound ends that.
	perSecond, burst = 100, 2000
	maxBatch         = 500
	flushAfter       = time.Second
	storeFor         = 10 * time.Second // a batch is tried
)

// ownKey marks the context of work that Watchfire does to store what it tells
// of itself: such work is neither logged into storage nor traced.
type ownKey struct{}

// Own marks ctx.
func Own(ctx context.Context) context.Context { return context.WithValue(ctx, ownKey{}, true) }

func isOwn(ctx context.Context) bool { return ctx != nil && ctx.Value(ownKey{}) != nil }

// Logs is a slog.Handler that writes to another one and keeps a copy to store.
// Lines before Run wait in the queue.
type Logs struct {
	next  slog.Handler
	text  slog.Handler // writes into queue.buf
	queue *queue
}

// queue is shared by all handlers that come from one.
type queue struct {
	level slog.Leveler
	now   func() time.Time

	mu      sync.Mutex
	buf     bytes.Buffer
	lines   chan telemetry.LogRecord
	tokens  float64
	last    time.Time
	dropped int
}

// NewLogs wraps next and keeps lines of the level and above.
func NewLogs(next slog.Handler, level slog.Leveler) *Logs {
	q := &queue{level: level, now: time.Now, lines: make(chan telemetry.LogRecord, queued), tokens: burst}
	return &Logs{next: next, queue: q, text: slog.NewTextHandler(&q.buf, &slog.HandlerOptions{Level: slog.LevelDebug - 4, ReplaceAttr: withoutTime})}
}

// withoutTime leaves out what a stored line knows anyway.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Enabled implements slog.Handler.
func (l *Logs) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level) || level >= l.queue.level.Level() && !isOwn(ctx)
}

// Handle implements slog.Handler.
func (l *Logs) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= l.queue.level.Level() && !isOwn(ctx) {
		l.queue.add(ctx, l.text, r)
	}
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Logs{next: l.next.WithAttrs(attrs), text: l.text.WithAttrs(attrs), queue: l.queue}
}

// WithGroup implements slog.Handler.
func (l *Logs) WithGroup(name string) slog.Handler {
	return &Logs{next: l.next.WithGroup(name), text: l.text.WithGroup(name), queue: l.queue}
}

// add queues a line, or counts it when there are too many.
func (q *queue) add(ctx context.Context, text slog.Handler, r slog.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if !q.last.IsZero() {
		q.tokens = min(burst, q.tokens+now.Sub(q.last).Seconds()*perSecond)
	}
	q.last = now
	if q.tokens < 1 {
		q.dropped++
		return
	}
	q.buf.Reset()
	if text.Handle(ctx, r) != nil {
		return
	}
	line := telemetry.LogRecord{
		Time: r.Time.UnixNano(), Severity: severity(r.Level), Line: string(bytes.TrimRight(q.buf.Bytes(), "\n")),
	}
	if r.Time.IsZero() {
		line.Time = now.UnixNano()
	}
	select {
	case q.lines <- line:
		q.tokens--
	default:
		q.dropped++
	}
}

func severity(l slog.Level) telemetry.Severity {
	switch {
	case l < slog.LevelDebug:
		return 1
	case l < slog.LevelInfo:
		return 5
	case l < slog.LevelWarn:
		return 9
	case l < slog.LevelError:
		return 13
	}
	return 17
}

// LogOptions say where lines go.
type LogOptions struct {
	Sink   collector.LogSink
	Tenant string
	Host   string // this machine's name
	Counts *collector.Metrics
}

// Run stores lines until ctx ends, and then those that wait.
func (l *Logs) Run(ctx context.Context, o LogOptions) error {
	ls := labels.FromStrings("host_name", o.Host, "service_name", "watchfire", "source", "self")
	tick := time.NewTicker(flushAfter)
	defer tick.Stop()
	for {
		l.queue.store(context.WithoutCancel(ctx), o, ls)
		select {
		case <-ctx.Done():
			l.queue.store(context.WithoutCancel(ctx), o, ls)
			return nil
		case <-tick.C:
		}
	}
}

// store writes what waits. What cannot be stored in time is lost and counted:
// the other handler has it.
func (q *queue) store(ctx context.Context, o LogOptions, ls labels.Labels) {
	q.mu.Lock()
	dropped := q.dropped
	q.dropped = 0
	q.mu.Unlock()
	o.Counts.Drop(source, "logs", dropped)
	// Lines that come because of this wait for the next turn.
	for left := len(q.lines); left > 0; {
		batch := make([]telemetry.LogRecord, 0, min(left, maxBatch))
		for range cap(batch) {
			batch = append(batch, <-q.lines)
		}
		left -= len(batch)
		ctx, cancel := context.WithTimeout(Own(ctx), storeFor)
		out, err := o.Sink.WriteLogs(ctx, o.Tenant, []telemetry.LogStream{{Labels: ls, Records: batch}})
		cancel()
		o.Counts.Count(source, "logs", len(batch), out, err)
		if err != nil {
			o.Counts.Drop(source, "logs", len(batch))
			return
		}
	}
}
