package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/watchfire/watchfire/test/load"
)

type ingestTracesFlags struct {
	spans, each, batch, senders, big int
	length                           time.Duration
}

func ingestTraces(fs *flag.FlagSet) func(context.Context, *lab) error {
	var f ingestTracesFlags
	fs.IntVar(&f.spans, "spans", 500_000, "spans")
	fs.IntVar(&f.each, "each", 20, "spans of a usual trace")
	fs.IntVar(&f.batch, "batch", 2000, "spans in a request")
	fs.IntVar(&f.senders, "senders", 16, "requests at once")
	fs.IntVar(&f.big, "big", 10, "traces of 1,000 spans among them, which are then asked for")
	fs.DurationVar(&f.length, "length", time.Hour, "time that the traces span")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

// bigTrace is the spans of the traces that are asked for.
const bigTrace = 1000

func (f ingestTracesFlags) run(ctx context.Context, l *lab) error {
	s, err := l.watchfire(ctx, "watchfire", passive)
	if err != nil {
		return err
	}
	if err := settle(ctx, s.pid(), 10*time.Second); err != nil {
		return err
	}
	ids, err := f.push(ctx, l, s)
	if err != nil {
		return err
	}
	if err := f.disk(ctx, l, s); err != nil {
		return err
	}
	return f.byID(ctx, l, s, ids)
}

func (f ingestTracesFlags) push(ctx context.Context, l *lab, s *side) (big []string, err error) {
	gen := load.NewTraces(1)
	begin := time.Now().Add(-f.length)
	p := newPusher(s.otlp+"/v1/traces", f.senders, map[string]string{"Content-Type": "application/x-protobuf"})
	defer p.close()
	cost, err := s.measure()
	if err != nil {
		return nil, err
	}
	var made int
	var pushing time.Duration
	// body is a request of about f.batch spans.
	body := func() ([]byte, error) {
		request := ptrace.NewTraces()
		for n := 0; n < f.batch && made < f.spans; {
			size := min(f.each, f.spans-made)
			if len(big) < f.big && made >= f.spans/(f.big+1)*(len(big)+1) {
				size = bigTrace
			}
			t := begin.Add(time.Duration(float64(f.length) * float64(made) / float64(f.spans)))
			one, id := gen.Next(t, size)
			if size == bigTrace {
				big = append(big, id.String())
			}
			one.ResourceSpans().MoveAndAppendTo(request.ResourceSpans())
			made += size
			n += size
		}
		return (&ptrace.ProtoMarshaler{}).MarshalTraces(request)
	}
	for made < f.spans {
		var bodies [][]byte
		for i := 0; i < 2*f.senders && made < f.spans; i++ {
			b, err := body()
			if err != nil {
				return nil, err
			}
			bodies = append(bodies, b)
		}
		begun := time.Now()
		if err := p.all(ctx, bodies); err != nil {
			return nil, err
		}
		pushing += time.Since(begun)
	}
	if err := cost.end(ctx, 2*time.Minute); err != nil {
		return nil, err
	}
	if err := s.alive(); err != nil {
		return nil, err
	}
	n := float64(made)
	rate := n / pushing.Seconds()
	t := newTable(l.out, "traces in", "Watchfire", "goal")
	t.row("spans", number(n))
	t.row("spans per second", number(rate), goal(rate >= 50_000, ">= 50 k on two idle cores"))
	t.row("spans per CPU-second, merges included", number(n/cost.cpu))
	t.row("CPU-seconds, merges included", digits(cost.cpu))
	t.row("acknowledged after, median", millis(p.delay(0.5)))
	t.row("acknowledged after, 99 %", millis(p.delay(0.99)))
	t.row("PSS at most", size(float64(cost.peak)))
	t.row("requests sent again", fmt.Sprint(p.retries.Load()))
	t.flush()
	return big, nil
}

// disk tells the bytes a span of every table that grew with the spans.
func (f ingestTracesFlags) disk(ctx context.Context, l *lab, s *side) error {
	rows, err := s.sql(ctx, fmt.Sprintf(`SELECT table, sum(rows), sum(bytes_on_disk) / %d, count() FROM system.parts
WHERE active AND database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND bytes_on_disk > 65536 GROUP BY table ORDER BY table`, f.spans))
	if err != nil {
		return err
	}
	t := newTable(l.out, "on disk", "rows", "bytes a span", "parts")
	for _, r := range rows {
		var rows, bytes float64
		_, _ = fmt.Sscan(r[1], &rows)
		_, _ = fmt.Sscan(r[2], &bytes)
		t.row(r[0], number(rows), digits(bytes), r[3])
	}
	t.flush()
	return nil
}

// byID times the large traces, each warm after a first run, and cold after a
// restart.
func (f ingestTracesFlags) byID(ctx context.Context, l *lab, s *side, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	t := newTable(l.out, "a trace of 1,000 spans by id", "warm ms", "cold ms", "spans", "goal")
	for _, api := range []struct{ name, path, mark string }{
		{"Tempo's API", "/tempo/api/traces/", `"spanId"`},
		{"Jaeger's API", "/jaeger/api/traces/", `"operationName"`},
	} {
		run := func(id string) (time.Duration, int, error) {
			a, err := ask(ctx, s.url+api.path+id, nil)
			return a.took, bytes.Count(a.body, []byte(api.mark)), err
		}
		if err := s.restartCold(ctx); err != nil {
			return err
		}
		if err := settle(ctx, s.pid(), 10*time.Second); err != nil {
			return err
		}
		cold, spans, err := run(ids[0])
		var warm []time.Duration
		for i := 0; i < 3*len(ids) && err == nil; i++ {
			var took time.Duration
			took, spans, err = run(ids[i%len(ids)])
			if i >= len(ids) {
				warm = append(warm, took)
			}
			if spans != bigTrace {
				break
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			t.row(api.name, "failed: "+err.Error())
			continue
		}
		if spans != bigTrace {
			t.row(api.name, "-", digits(ms(cold)), fmt.Sprintf("WRONG: %d of %d", spans, bigTrace))
			continue
		}
		slices.Sort(warm)
		median := warm[len(warm)/2]
		t.row(api.name, digits(ms(median)), digits(ms(cold)), fmt.Sprint(spans), goal(median <= 50*time.Millisecond, "warm <= 50 ms"))
	}
	t.flush()
	return nil
}
