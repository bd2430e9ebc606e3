package files

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// tail turns the receiver's records into streams, one a file.
type tail struct {
	Options
	freeze func()
	mu     sync.Mutex
	labels map[string]labels.Labels // by path
}

// maxFiles bounds the files whose labels are remembered.
const maxFiles = 10_000

// Waits between tries to store lines.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 10 * time.Second
)

// consume stores ld, and tries until it can: meanwhile no more is read of its
// files. When the receiver is stopped before that, no position is remembered
// any more, so that the next process reads the lines again.
func (t *tail) consume(ctx context.Context, ld plog.Logs) error {
	n, streams := ld.LogRecordCount(), t.streams(ld)
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		out, err := t.Sink.WriteLogs(ctx, t.Config.tenant(), streams)
		t.Counts.Count(source, "logs", n, out, err)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			t.Logger.Warn("cannot store lines of files, trying again", "files", t.Config.Name, "lines", n, "after", wait, "error", err)
		}
		select {
		case <-ctx.Done():
			t.freeze()
			return fmt.Errorf("cannot store lines of files %q: %w", t.Config.Name, err)
		case <-time.After(wait):
		}
	}
}

func (t *tail) streams(ld plog.Logs) []telemetry.LogStream {
	byPath, now := map[string]int{}, time.Now()
	var out []telemetry.LogStream
	each(ld, func(lr plog.LogRecord) {
		path := attribute(lr.Attributes(), pathAttribute)
		i, ok := byPath[path]
		if !ok {
			i = len(out)
			byPath[path] = i
			out = append(out, telemetry.LogStream{Labels: t.labelsOf(path)})
		}
		out[i].Records = append(out[i].Records, record(lr, now))
	})
	return out
}

// record keeps what operators have parsed out of a line; without any, the line
// and the time at which it was read.
func record(lr plog.LogRecord, now time.Time) telemetry.LogRecord {
	r := telemetry.LogRecord{
		Time: int64(lr.Timestamp()), Observed: int64(lr.ObservedTimestamp()),
		Line:    strings.ToValidUTF8(lr.Body().AsString(), "\uFFFD"),
		TraceID: telemetry.TraceID(lr.TraceID()), SpanID: telemetry.SpanID(lr.SpanID()),
	}
	if n := lr.SeverityNumber(); n > 0 && n <= 24 {
		r.Severity = telemetry.Severity(n)
	}
	if r.Time == 0 {
		r.Time = r.Observed
	}
	if r.Time == 0 {
		r.Time = now.UnixNano()
	}
	lr.Attributes().Range(func(k string, v pcommon.Value) bool {
		if !strings.HasPrefix(k, "log.file.") {
			r.Metadata = append(r.Metadata, telemetry.Attribute{
				Key: telemetry.EscapeName(strings.ToValidUTF8(k, "_")), Value: telemetry.StringValue(strings.ToValidUTF8(v.AsString(), "\uFFFD")),
			})
		}
		return true
	})
	r.Metadata = collector.SortMetadata(r.Metadata)
	return r
}

func (t *tail) labelsOf(path string) labels.Labels {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.labels[path]; ok {
		return l
	}
	if len(t.labels) >= maxFiles {
		clear(t.labels)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set("filename", strings.ToValidUTF8(path, "\uFFFD"))
	b.Set("host_name", t.Host)
	b.Set("service_name", strings.ToValidUTF8(serviceOf(path), "\uFFFD"))
	for k, v := range t.Config.Labels {
		b.Set(k, v)
	}
	t.labels[path] = b.Labels()
	return t.labels[path]
}
