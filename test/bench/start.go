package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/watchfire/watchfire/test/load"
)

type startFlags struct {
	runs  int
	idle  time.Duration
	watch bool
}

func start(fs *flag.FlagSet) func(context.Context, *lab) error {
	var f startFlags
	fs.IntVar(&f.runs, "runs", 5, "starts")
	fs.DurationVar(&f.idle, "idle", 30*time.Second, "how long it is left alone before its memory is read")
	fs.BoolVar(&f.watch, "watch", true, "watch this machine, as it does by default")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

func (f startFlags) run(ctx context.Context, l *lab) error {
	config := passive
	if f.watch {
		config = ""
	}
	first := time.Now()
	s, err := l.watchfire(ctx, "watchfire", config)
	if err != nil {
		return err
	}
	fresh := time.Since(first)
	if err := f.fill(ctx, s); err != nil {
		return err
	}
	var starts, stops []time.Duration
	for range max(f.runs, 1) {
		stop, err := s.stop()
		if err != nil {
			return err
		}
		up, err := s.start(ctx)
		if err != nil {
			return err
		}
		starts, stops = append(starts, up), append(stops, stop)
	}
	slices.Sort(starts)
	slices.Sort(stops)
	if err := sleepUntil(ctx, time.Now().Add(f.idle)); err != nil {
		return err
	}
	before, err := cpuSeconds(s.pid())
	if err != nil {
		return err
	}
	const watched = 10 * time.Second
	if err := sleepUntil(ctx, time.Now().Add(watched)); err != nil {
		return err
	}
	after, err := cpuSeconds(s.pid())
	if err != nil {
		return err
	}
	all, err := memories(s.pid())
	if err != nil {
		return err
	}
	f.print(l, fresh, starts, stops, all, (after-before)/watched.Seconds())
	return nil
}

func (f startFlags) print(l *lab, fresh time.Duration, starts, stops []time.Duration, all []memory, busy float64) {
	t := newTable(l.out, "", "Watchfire", "goal")
	t.row("start to ready, new data folder", millis(fresh))
	slowest := starts[len(starts)-1]
	t.row("start to ready, existing, median", millis(starts[len(starts)/2]))
	t.row("start to ready, existing, slowest", millis(slowest), goal(slowest < 3*time.Second, "< 3 s"))
	t.row("SIGTERM to end, slowest", millis(stops[len(stops)-1]), goal(stops[len(stops)-1] < 20*time.Second, "< 20 s"))
	var sum uint64
	for _, m := range all {
		sum += m.pss
		t.row("idle PSS of "+m.name, fmt.Sprintf("%s, %s of it anonymous", size(float64(m.pss)), size(float64(m.anonymous))))
	}
	t.row("idle PSS of all", size(float64(sum)), goal(sum < 700<<20, "< 700 MiB"))
	t.row("idle CPU", fmt.Sprintf("%.1f %% of a core", busy*100))
	t.flush()
}

// fill puts some of every signal into the data folder.
func (f startFlags) fill(ctx context.Context, s *side) error {
	metrics := load.NewMetrics(1, 10_000)
	p := remoteWriter(s, 4)
	defer p.close()
	now := time.Now()
	for step := range 20 {
		var bodies [][]byte
		err := metrics.Step(now.Add(time.Duration(step-20)*15*time.Second).UnixMilli(), 2000, func(body []byte, _ int) error {
			bodies = append(bodies, slices.Clone(body))
			return nil
		})
		if err != nil {
			return err
		}
		if err := p.all(ctx, bodies); err != nil {
			return err
		}
	}
	lines := newLogLines(100_000, 10, now.Add(-time.Hour), time.Hour)
	p = newPusher(s.url+"/loki/api/v1/push", 4, map[string]string{"Content-Type": "application/x-protobuf"})
	defer p.close()
	for lines.next < lines.n {
		body, _, err := lines.body(5000)
		if err != nil {
			return err
		}
		if err := p.all(ctx, [][]byte{body}); err != nil {
			return err
		}
	}
	traces := load.NewTraces(1)
	p = newPusher(s.otlp+"/v1/traces", 4, map[string]string{"Content-Type": "application/x-protobuf"})
	defer p.close()
	for range 50 {
		one, _ := traces.Next(now.Add(-time.Minute), 1000)
		body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(one)
		if err != nil {
			return err
		}
		if err := p.all(ctx, [][]byte{body}); err != nil {
			return err
		}
	}
	return nil
}
