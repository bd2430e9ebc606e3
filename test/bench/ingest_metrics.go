package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/watchfire/watchfire/test/load"
)

type ingestMetricsFlags struct {
	series, steps, batch, senders int
	interval                      time.Duration
	paced                         bool
	only                          string
}

func ingestMetrics(fs *flag.FlagSet) func(context.Context, *lab) error {
	var f ingestMetricsFlags
	fs.IntVar(&f.series, "series", 50_000, "series")
	fs.IntVar(&f.steps, "steps", 120, "samples of each")
	fs.DurationVar(&f.interval, "interval", 15*time.Second, "between the samples of a series")
	fs.BoolVar(&f.paced, "paced", false, "send in real time, a step every interval, instead of as fast as it goes")
	fs.IntVar(&f.batch, "batch", 2000, "samples in a request")
	fs.IntVar(&f.senders, "senders", 32, "requests at once")
	fs.StringVar(&f.only, "only", "", "watchfire or prometheus: only that side")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

// ingested is what one side made of the load.
type ingested struct {
	samples        float64
	cost           *cost
	firstCPU       float64 // CPU-seconds of the first step, which makes the series
	pushing        time.Duration
	late           time.Duration // the latest end of a paced step after its interval
	delay50, delay time.Duration
	retries        int64
	pss, disk      float64
}

func (f ingestMetricsFlags) run(ctx context.Context, l *lab) error {
	l.note("%d series x %d steps of %s, %d samples in a request, %d requests at once", f.series, f.steps, f.interval, f.batch, f.senders)
	begin := time.Now().Truncate(f.interval)
	if !f.paced {
		begin = begin.Add(-time.Duration(f.steps) * f.interval)
	}
	var wf, pr ingested
	var err error
	if f.only != "prometheus" {
		if wf, err = f.side(ctx, l, begin, func() (*side, error) { return l.watchfire(ctx, "watchfire", passive) }); err != nil {
			return err
		}
	}
	if f.paced {
		begin = time.Now().Truncate(f.interval)
	}
	if f.only != "watchfire" {
		if pr, err = f.side(ctx, l, begin, func() (*side, error) { return l.prometheus(ctx) }); err != nil {
			return err
		}
	}
	f.print(l, wf, pr)
	return nil
}

// side loads one server, which is stopped again before the other starts.
func (f ingestMetricsFlags) side(ctx context.Context, l *lab, begin time.Time, start func() (*side, error)) (r ingested, err error) {
	s, err := start()
	if err != nil {
		return r, err
	}
	if err := settle(ctx, s.pid(), 10*time.Second); err != nil {
		return r, err
	}
	gen := load.NewMetrics(1, f.series)
	p := remoteWriter(s, f.senders)
	defer p.close()
	if r.cost, err = s.measure(); err != nil {
		return r, err
	}
	for step := 0; step < f.steps; {
		// A lane has always the same series, in order of time.
		lanes := make([][][]byte, max(f.senders, 1))
		t := begin.Add(time.Duration(step) * f.interval)
		first := step == 0
		for range f.together(step) {
			lane := 0
			err := gen.Step(begin.Add(time.Duration(step)*f.interval).UnixMilli(), f.batch, func(body []byte, n int) error {
				lanes[lane%len(lanes)] = append(lanes[lane%len(lanes)], slices.Clone(body))
				lane++
				r.samples += float64(n)
				return nil
			})
			if err != nil {
				return r, err
			}
			step++
		}
		if f.paced {
			if err := sleepUntil(ctx, t); err != nil {
				return r, err
			}
		}
		begun := time.Now()
		if err := p.lanes(ctx, lanes); err != nil {
			return r, fmt.Errorf("%s: before step %d: %w", s.name, step, err)
		}
		r.pushing += time.Since(begun)
		r.late = max(r.late, time.Since(t)-f.interval)
		if first {
			r.firstCPU = r.cost.soFar()
		}
	}
	if err := r.cost.end(ctx, time.Minute); err != nil {
		return r, err
	}
	if err := s.alive(); err != nil {
		return r, err
	}
	r.delay50, r.delay, r.retries = p.delay(0.5), p.delay(0.99), p.retries.Load()
	if n, err := pss(s.pid()); err == nil {
		r.pss = float64(n)
	}
	if err := f.check(ctx, s, begin); err != nil {
		return r, err
	}
	if n, err := diskUsage(s.data); err == nil {
		r.disk = float64(n)
	}
	_, err = s.stop()
	return r, err
}

// together is how many steps are made before they are sent: some million
// samples, but the first, which makes the series, and paced ones alone.
func (f ingestMetricsFlags) together(step int) int {
	if f.paced || step == 0 {
		return 1
	}
	return min(max(1, 1_000_000/max(f.series, 1)), f.steps-step)
}

// check counts the series of one family, in all their samples, by a query.
func (f ingestMetricsFlags) check(ctx context.Context, s *side, begin time.Time) error {
	end := begin.Add(time.Duration(f.steps-1) * f.interval)
	span := int(end.Sub(begin).Seconds()) + 1
	query := fmt.Sprintf("sum(count_over_time(node_load1[%ds]))", span)
	a, err := ask(ctx, s.url+"/api/v1/query", map[string]string{"query": query, "time": unixSeconds(end)})
	if err != nil {
		return err
	}
	got, err := a.scalar()
	if err != nil {
		return fmt.Errorf("%s: %s: %w", s.name, query, err)
	}
	hosts := load.Hosts(f.series)
	if want := float64(hosts * f.steps); got != want {
		return fmt.Errorf("%s has %v samples of node_load1, want %v: samples were lost or doubled", s.name, got, want)
	}
	return nil
}

func (f ingestMetricsFlags) print(l *lab, wf, pr ingested) {
	t := newTable(l.out, "", "Watchfire", "Prometheus", "ratio", "goal")
	row := func(name string, text func(float64) string, a, b float64, more ...string) {
		t.row(append([]string{name, text(a), text(b), times(a, b)}, more...)...)
	}
	perCPU := func(r ingested) float64 { return over(r.samples, r.cpu()) }
	met := ""
	if f.only == "" {
		met = goal(perCPU(wf) >= perCPU(pr), ">= 1x")
	}
	row("samples", number, wf.samples, pr.samples)
	row("samples per CPU-second", number, perCPU(wf), perCPU(pr), met)
	row("the same after the first step", number, wf.later(f.steps), pr.later(f.steps))
	row("samples per second", number, over(wf.samples, wf.pushing.Seconds()), over(pr.samples, pr.pushing.Seconds()))
	row("CPU-seconds, merges included", digits, wf.cpu(), pr.cpu())
	row("CPU-seconds of the first step", digits, wf.firstCPU, pr.firstCPU)
	row("acknowledged after, median, ms", digits, ms(wf.delay50), ms(pr.delay50))
	row("acknowledged after, 99 %, ms", digits, ms(wf.delay), ms(pr.delay))
	row("PSS at the end", size, wf.pss, pr.pss)
	row("PSS at most", size, wf.peak(), pr.peak())
	row("data folder", size, wf.disk, pr.disk)
	if f.paced {
		row("latest step behind its interval, s", digits, wf.late.Seconds(), pr.late.Seconds())
	}
	if wf.retries+pr.retries > 0 {
		row("pushes sent again", number, float64(wf.retries), float64(pr.retries))
	}
	t.flush()
}

func (r ingested) cpu() float64 {
	if r.cost == nil {
		return 0
	}
	return r.cost.cpu
}

func (r ingested) peak() float64 {
	if r.cost == nil {
		return 0
	}
	return float64(r.cost.peak)
}

// later is samples per CPU-second once the series are known.
func (r ingested) later(steps int) float64 {
	return over(r.samples*float64(steps-1)/float64(steps), r.cpu()-r.firstCPU)
}
