// Package gen makes realistic log lines from a seed: the same seed gives the
// same bytes, so that sizes and speeds can be compared between runs. It has
// access logs, structured lines of Go, Java and Python services, a database, a
// kubelet and stack traces, some 200 bytes a line on average. Values vary the
// way they do in production: a few busy messages, skewed paths and hosts, a
// request id in one line of three, a trace id in one of eight.
package gen

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// Config says what to make.
type Config struct {
	Seed    uint64
	Streams int           // number of streams, that is of pods
	Start   time.Time     // time of the first line
	Step    time.Duration // mean time between two lines of all streams
}

// Generator makes lines one after the other. It is not safe for concurrent use.
type Generator struct {
	r       *rand.Rand
	now     int64
	step    int64
	streams []stream
	pick    *rand.Zipf
	users   *rand.Zipf
	buf     []byte
	// pending are the remaining lines of a stack trace: they share the time of
	// their first line.
	pending []string
	last    int
}

type stream struct {
	labels labels.Labels
	kind   func(*Generator, *stream) telemetry.Severity
	pod    string
	app    string
	trace  telemetry.TraceID
	span   telemetry.SpanID
}

// apps are the services of the imagined platform, each with its kind of lines.
var apps = []struct {
	name string
	kind func(*Generator, *stream) telemetry.Severity
}{
	{"gateway", (*Generator).access},
	{"checkout", (*Generator).zap},
	{"orders", (*Generator).java},
	{"payments", (*Generator).java},
	{"catalog", (*Generator).logfmt},
	{"search", (*Generator).zap},
	{"recommendation", (*Generator).python},
	{"postgres", (*Generator).postgres},
	{"kubelet", (*Generator).klog},
	{"shipping", (*Generator).logfmt},
	{"frontend", (*Generator).access},
	{"inventory", (*Generator).zap},
}

// New returns a Generator. Zero fields of c take defaults: 200 streams, one
// line a millisecond from 2026-01-01.
func New(c Config) *Generator {
	if c.Streams == 0 {
		c.Streams = 200
	}
	if c.Step == 0 {
		c.Step = time.Millisecond
	}
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	g := &Generator{r: rand.New(rand.NewPCG(c.Seed, c.Seed^0x5bd1e995)), now: c.Start.UnixNano(), step: int64(c.Step)}
	for i := range c.Streams {
		a := apps[i%len(apps)]
		pod := fmt.Sprintf("%s-%08x-%05x", a.name, uint32(i%len(apps))*2654435761, g.r.Uint32()&0xfffff)
		g.streams = append(g.streams, stream{
			labels: labels.FromStrings(
				"app", a.name, "cluster", fmt.Sprintf("prod-%d", i%3+1), "container", a.name,
				"namespace", namespaces[i%len(namespaces)], "pod", pod, "service_name", a.name),
			kind: a.kind, pod: pod, app: a.name,
		})
	}
	g.pick = rand.NewZipf(g.r, 1.1, 10, uint64(c.Streams-1))
	g.users = rand.NewZipf(g.r, 1.2, 20, 199_999)
	return g
}

// Next returns the next line and the index of its stream. Lines of one stream
// come in order of time.
func (g *Generator) Next() (int, telemetry.LogRecord) {
	if n := len(g.pending); n > 0 {
		line := g.pending[0]
		g.pending = g.pending[1:]
		return g.last, telemetry.LogRecord{Time: g.now, Line: line}
	}
	// Microseconds, the resolution of journald and of most agents.
	g.now += int64(g.r.ExpFloat64()*float64(g.step)) / 1000 * 1000
	i := int(g.pick.Uint64())
	s := &g.streams[i]
	g.buf, g.last = g.buf[:0], i
	sev := s.kind(g, s)
	rec := telemetry.LogRecord{Time: g.now, Severity: sev, Line: string(g.buf)}
	if g.r.IntN(8) == 0 {
		rec.TraceID, rec.SpanID = g.trace(s)
	}
	return i, rec
}

// trace is the span that a stream's line belongs to: a request logs some two
// lines before the next one comes.
func (g *Generator) trace(s *stream) (telemetry.TraceID, telemetry.SpanID) {
	if g.r.IntN(2) == 0 {
		binary.BigEndian.PutUint64(s.trace[:8], g.r.Uint64())
		binary.BigEndian.PutUint64(s.trace[8:], g.r.Uint64())
		binary.BigEndian.PutUint64(s.span[:], g.r.Uint64())
	}
	return s.trace, s.span
}

// Streams returns n lines grouped by stream, as a push carries them.
func (g *Generator) Streams(n int) []telemetry.LogStream {
	at := make(map[int]int)
	var out []telemetry.LogStream
	for range n {
		i, rec := g.Next()
		k, ok := at[i]
		if !ok {
			k = len(out)
			at[i] = k
			out = append(out, telemetry.LogStream{Labels: g.streams[i].labels})
		}
		out[k].Records = append(out[k].Records, rec)
	}
	return out
}

// Labels returns the labels of stream i.
func (g *Generator) Labels(i int) labels.Labels { return g.streams[i].labels }

func (g *Generator) printf(format string, args ...any) { g.buf = fmt.Appendf(g.buf, format, args...) }
