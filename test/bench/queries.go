package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/watchfire/watchfire/test/load"
)

type queryFlags struct {
	hour, day, week int // series
	points, warm    int
	batch, senders  int
	cold            bool
	worst           float64
}

func queries(fs *flag.FlagSet) func(context.Context, *lab) error {
	f := queryFlags{}
	fs.IntVar(&f.hour, "hour", 20_000, "series over 1 h at 15 s")
	fs.IntVar(&f.day, "day", 1000, "series over 24 h at 15 s")
	fs.IntVar(&f.week, "week", 0, "series over 7 d at 60 s, such as 1000")
	fs.IntVar(&f.points, "points", 250, "steps of a query")
	fs.IntVar(&f.warm, "warm", 3, "warm runs of a query, of which the median is told")
	fs.BoolVar(&f.cold, "cold", true, "run each query cold too: after a restart, files out of memory")
	fs.Float64Var(&f.worst, "worst", 5, "the ratio that no query may exceed")
	fs.IntVar(&f.batch, "batch", 5000, "samples in a request of the load")
	fs.IntVar(&f.senders, "senders", 32, "requests of the load at once")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

// span is a set of series with the same times.
type span struct {
	job      string
	series   int
	length   time.Duration
	interval time.Duration
	window   time.Duration // of rate
}

func (f queryFlags) spans() []span {
	all := []span{
		{"hour", f.hour, time.Hour, 15 * time.Second, 5 * time.Minute},
		{"day", f.day, 24 * time.Hour, 15 * time.Second, 5 * time.Minute},
		{"week", f.week, 7 * 24 * time.Hour, time.Minute, 10 * time.Minute},
	}
	return slices.DeleteFunc(all, func(s span) bool { return s.series == 0 })
}

// queries are those of a dashboard over the span.
func (s span) queries() []string {
	m := fmt.Sprintf("%s{job=%q}[%gm]", load.HistogramMetric, s.job, s.window.Minutes())
	return []string{
		"rate(" + m + ")",
		"sum by (handler) (rate(" + m + "))",
		"histogram_quantile(0.99, sum by (le, handler) (rate(" + m + ")))",
		"topk(5, sum by (instance) (rate(" + m + ")))",
	}
}

func (f queryFlags) run(ctx context.Context, l *lab) error {
	end := time.Now().Truncate(time.Minute)
	wf, err := l.watchfire(ctx, "watchfire", passive)
	if err != nil {
		return err
	}
	if err := f.load(ctx, l, wf, end); err != nil {
		return err
	}
	if err := wf.merged(ctx, "metrics_samples", time.Minute); err != nil {
		l.note("cannot tell whether merges have ended: %v", err)
	}
	own, err := f.measure(ctx, wf, end)
	if err != nil {
		return err
	}
	if _, err := wf.stop(); err != nil {
		return err
	}
	pr, err := l.prometheus(ctx)
	if err != nil {
		return err
	}
	if err := f.load(ctx, l, pr, end); err != nil {
		return err
	}
	theirs, err := f.measure(ctx, pr, end)
	if err != nil {
		return err
	}
	return f.print(l, own, theirs)
}

// load pushes every span in order of time, for Prometheus takes no samples
// that are more than an hour older than the newest.
func (f queryFlags) load(ctx context.Context, l *lab, s *side, end time.Time) error {
	const block = 30 * time.Minute
	type source struct {
		span
		gen *load.Histograms
	}
	var sources []source
	longest := time.Duration(0)
	for i, sp := range f.spans() {
		sources = append(sources, source{sp, load.NewHistograms(uint64(i), sp.job, sp.series)})
		longest = max(longest, sp.length)
	}
	p := remoteWriter(s, f.senders)
	defer p.close()
	begun, samples := time.Now(), 0
	for t := end.Add(-longest); t.Before(end); t = t.Add(block) {
		var bodies [][]byte
		for _, src := range sources {
			if t.Before(end.Add(-src.length)) {
				continue
			}
			var times []int64
			for at := t; at.Before(t.Add(block)); at = at.Add(src.interval) {
				times = append(times, at.Add(beside).UnixMilli())
			}
			err := src.gen.Steps(times, f.batch, func(body []byte, n int) error {
				bodies = append(bodies, slices.Clone(body))
				samples += n
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := p.all(ctx, bodies); err != nil {
			return err
		}
	}
	l.note("%s: loaded %s samples in %s", s.name, number(float64(samples)), time.Since(begun).Round(time.Second))
	return settle(ctx, s.pid(), 30*time.Second)
}

// asked is how one side did on a query.
type asked struct {
	query      string
	warm, cold time.Duration
	cpu        float64 // CPU-seconds of a warm run
	answer     answer
	err        error
}

func (f queryFlags) measure(ctx context.Context, s *side, end time.Time) ([]asked, error) {
	var all []asked
	for _, sp := range f.spans() {
		for _, q := range sp.queries() {
			a, err := f.one(ctx, s, sp, q, end)
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
	}
	return all, nil
}

// beside keeps samples off the steps of queries: windows which include their
// left end, as those of Prometheus 2, and those which don't hold the same then.
const beside = 500 * time.Millisecond

// one runs a query. Its windows begin after the first sample, for versions of
// Prometheus differ in what they make of a beginning.
func (f queryFlags) one(ctx context.Context, s *side, sp span, query string, end time.Time) (asked, error) {
	a := asked{query: query}
	step := max((sp.length-sp.window-sp.interval)/time.Duration(f.points), time.Second).Truncate(time.Second)
	params := map[string]string{
		"query": query, "step": fmt.Sprint(step.Seconds()),
		"start": unixSeconds(end.Add(-step * time.Duration(f.points-1))), "end": unixSeconds(end),
	}
	run := func() (answer, error) { return ask(ctx, s.url+"/api/v1/query_range", params) }
	if f.cold {
		if err := s.restartCold(ctx); err != nil {
			return a, err
		}
		if err := settle(ctx, s.pid(), 5*time.Second); err != nil {
			return a, err
		}
		got, err := run()
		if a.cold = got.took; err != nil {
			a.err = err
			return a, ctx.Err()
		}
	} else if _, err := run(); err != nil {
		a.err = err
		return a, ctx.Err()
	}
	before, err := cpuSeconds(s.pid())
	if err != nil {
		return a, err
	}
	var took []time.Duration
	for range max(f.warm, 1) {
		if a.answer, a.err = run(); a.err != nil {
			return a, ctx.Err()
		}
		took = append(took, a.answer.took)
	}
	slices.Sort(took)
	a.warm = took[len(took)/2]
	after, err := cpuSeconds(s.pid())
	a.cpu = (after - before) / float64(len(took))
	return a, err
}

func (f queryFlags) print(l *lab, own, theirs []asked) error {
	t := newTable(l.out, "query", "series", "warm ms", "Prometheus", "ratio", "cold ms", "Prometheus", "ratio", "CPU-s", "Prometheus", "answers", "goal")
	worst, failed, details, i := 0.0, []error(nil), []string(nil), 0
	for _, sp := range f.spans() {
		for _, q := range sp.queries() {
			a, b := own[i], theirs[i]
			i++
			if err := errors.Join(a.err, b.err); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", q, err))
				t.row(q, sp.String(), "failed")
				continue
			}
			ratio := over(ms(a.warm), ms(b.warm))
			verdict, detail := compare(a.answer, b.answer)
			if detail != "" {
				details = append(details, q+": "+detail)
			}
			worst = max(worst, ratio, over(ms(a.cold), ms(b.cold)))
			t.row(strings.NewReplacer(load.HistogramMetric, "m", fmt.Sprintf("{job=%q}", sp.job), "").Replace(q), sp.String(),
				digits(ms(a.warm)), digits(ms(b.warm)), times(ms(a.warm), ms(b.warm)),
				digits(ms(a.cold)), digits(ms(b.cold)), times(ms(a.cold), ms(b.cold)),
				digits(a.cpu), digits(b.cpu), verdict,
				goal(max(ratio, over(ms(a.cold), ms(b.cold))) <= f.worst, fmt.Sprintf("<= %gx", f.worst)))
		}
	}
	t.flush()
	for _, d := range details {
		l.note("%s", d)
	}
	l.note("the slowest is %s; cold: first query after a restart with the files out of memory", digits(worst)+"x")
	return errors.Join(failed...)
}

func (s span) String() string {
	return fmt.Sprintf("%s x %s at %s", number(float64(s.series)), s.length, s.interval)
}

// compare tells whether two answers are the same but for rounding, and where
// not.
func compare(a, b answer) (verdict, detail string) {
	x, err := a.matrix()
	if err != nil {
		return "unreadable", err.Error()
	}
	y, err := b.matrix()
	if err != nil {
		return "unreadable", err.Error()
	}
	if len(x) != len(y) {
		return "DIFFER", fmt.Sprintf("%d and %d series", len(x), len(y))
	}
	for key, p := range x {
		q, ok := y[key]
		if !ok || len(p) != len(q) {
			return "DIFFER", fmt.Sprintf("%d and %d points of %s", len(p), len(q), key)
		}
		for i := range p {
			if p[i].t != q[i].t || !near(p[i].v, q[i].v) {
				return "DIFFER", fmt.Sprintf("%v and %v in %s", p[i], q[i], key)
			}
		}
	}
	return fmt.Sprintf("same, %d series", len(x)), ""
}

func near(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	if a == b || math.IsInf(a, 0) || math.IsInf(b, 0) {
		return a == b
	}
	return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}
