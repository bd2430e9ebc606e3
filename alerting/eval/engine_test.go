package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/telemetry"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is all that an engine talks to.
type world struct {
	MemoryStore
	mu        sync.Mutex
	answers   map[string]float64 // by expression, one series {host="a"} each
	err       error
	slow      map[string]time.Duration
	asked     []time.Time
	told      []Notification
	samples   map[string]float64 // the last of each series
	watermark time.Time
	reg       *prometheus.Registry
}

func newWorld() *world {
	return &world{answers: map[string]float64{}, samples: map[string]float64{}, slow: map[string]time.Duration{}}
}

func (w *world) set(expr string, v float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[expr] = v
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *world) query(ctx context.Context, _ string, _ rules.Language, expr string, at time.Time) (promql.Vector, error) {
	w.mu.Lock()
	d, v, err := w.slow[expr], 0.0, w.err
	v, ok := w.answers[expr]
	w.asked = append(w.asked, at)
	w.mu.Unlock()
	if d > 0 {
		pause(ctx, d)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || !ok {
		return nil, err
	}
	return promql.Vector{{Metric: labels.FromStrings("__name__", "m", "host", "a"), F: v, T: at.UnixMilli()}}, nil
}

func (w *world) Notify(_ context.Context, _ string, ns []Notification) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, ns...)
	return nil
}

func (w *world) WriteMetrics(_ context.Context, _ string, m telemetry.Metrics) (telemetry.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range m.Series {
		w.samples[s.Labels.String()] = s.Samples[0].V
	}
	return telemetry.Outcome{Accepted: len(m.Series)}, nil
}

// news returns what was told since the last call as "level firing|resolved".
func (w *world) news() (ss []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.told {
		s := n.Labels.Get("severity") + " firing"
		if !n.EndsAt.After(time.Now()) {
			s = n.Labels.Get("severity") + " resolved"
		}
		if n.MovedTo != rules.None {
			s += ", now " + n.MovedTo.String()
		}
		if n.Annotations.Get("state") != "" {
			s += ", unknown"
		}
		ss = append(ss, s)
	}
	w.told = nil
	return ss
}

func (w *world) engine(change func(*Options)) *Engine {
	w.reg = prometheus.NewRegistry()
	o := Options{Config: DefaultConfig(), Query: w.query, Store: w, Sink: w, Notifier: w, History: w, Registerer: w.reg}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func groups(t testing.TB, text string) []*rules.Group {
	t.Helper()
	gs, problems := rules.Parse("t.yaml", []byte(text), rules.Options{})
	require.NoError(t, problems.Err())
	return gs
}

const diskGroup = `
watchfire: 1
groups:
  - name: g
    rules:
      - alert: Disk
        expr: used
        levels:
          critical: {above: 95, for: 1m}
          major: {above: 90, for: 30s}
        unknown: {after: 1m, notify: minor, forget: 1h}
        annotations: {summary: '{{ $labels.host }} at {{ $value }} ({{ $level }} from {{ $threshold }})'}
`

// run starts an engine and returns what stops it.
func run(t *testing.T, e *Engine) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func TestEngineMovesBetweenLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(nil)
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		w.set("used", 50)
		time.Sleep(time.Minute)
		require.Empty(t, w.news())
		require.Empty(t, w.samples)

		w.set("used", 92)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"major firing"}, w.news())
		v := e.Groups("t")[0].Rules[0]
		require.Equal(t, Firing, v.Phase)
		require.Equal(t, rules.Major, v.Alerts[0].Level)
		require.Equal(t, "a at 92 (major from 90)", v.Alerts[0].Annotations.Get("summary"))
		require.Equal(t, 90.0, *v.Alerts[0].Threshold)
		require.Equal(t, 1.0, w.samples[`{__name__="ALERTS", alertname="Disk", alertstate="firing", host="a", level="major", severity="major"}`])
		require.Contains(t, w.samples, `{__name__="ALERTS_FOR_STATE", alertname="Disk", host="a"}`)
		pending := w.samples[`{__name__="ALERTS", alertname="Disk", alertstate="pending", host="a", level="major", severity="major"}`]
		require.True(t, value.IsStaleNaN(pending), "the series of the state that was is marked stale")

		w.set("used", 99)
		time.Sleep(90 * time.Second)
		require.Equal(t, []string{"major firing", "critical firing", "major resolved, now critical"}, w.news()[:3])

		w.set("used", 10)
		time.Sleep(30 * time.Second)
		require.Contains(t, w.news(), "critical resolved")
		time.Sleep(20 * time.Minute)
		require.Equal(t, []string{"critical resolved"}, slices.Compact(w.news()), "the end is told again for a while")
		time.Sleep(20 * time.Minute)
		require.Empty(t, w.news(), "the end is not told for ever")

		es, err := w.Entries(t.Context(), "t", v.Alerts[0].ID, 100)
		require.NoError(t, err)
		require.Len(t, es, 4)
		require.Equal(t, "critical cleared: value 10 is not > 95", es[0].Reason)
	})
}

func TestEngineUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(nil)
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		w.set("used", 50)
		time.Sleep(time.Minute)
		w.fail(errors.New("no server"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, "minor firing, unknown", w.news()[0])
		v := e.Groups("t")[0].Rules[0]
		require.Equal(t, Unknown, v.Phase)
		require.ErrorContains(t, v.Error, "no server")
		require.Contains(t, v.Alerts[0].Reason, "cannot tell (query failed: no server)")
		require.Contains(t, w.samples, `{__name__="ALERTS", alertname="Disk", alertstate="firing", host="a", level="minor", severity="minor"}`)

		w.fail(nil)
		time.Sleep(30 * time.Second)
		require.Contains(t, w.news(), "minor resolved")
		require.Equal(t, Inactive, e.Groups("t")[0].Rules[0].Phase)
	})
}

// A restart in the middle of `for` keeps the timer, and no slot is evaluated
// twice.
func TestEngineRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		start := func() func() {
			e := w.engine(nil)
			e.SetRules("t", groups(t, diskGroup))
			return run(t, e)
		}
		stop := start()
		time.Sleep(20 * time.Second) // pending
		require.Empty(t, w.news())
		stop()
		stop = start()
		time.Sleep(20 * time.Second) // major needs 30 s in all
		require.Equal(t, []string{"major firing"}, w.news())
		stop()
		stop = start()
		defer stop()
		time.Sleep(time.Second)
		require.Empty(t, w.news(), "nothing is due")
		time.Sleep(15 * time.Second)
		require.Equal(t, []string{"major firing"}, w.news(), "the notifier forgot it and is told again")

		seen := map[time.Time]int{}
		for _, at := range w.asked {
			seen[at]++
		}
		for at, n := range seen {
			// A restart asks once more for the last slot, to know its series.
			require.LessOrEqual(t, n, 3, at)
		}
		es, _ := w.Entries(t.Context(), "t", "", 100)
		slots := map[int64]bool{}
		for _, e := range es {
			require.False(t, slots[e.At], "two transitions at %d", e.At)
			slots[e.At] = true
		}
	})
}

// A series that vanished while nobody evaluated is missed.
func TestEngineMissesWhatVanishedDuringOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 50)
		start := func() func() {
			e := w.engine(func(o *Options) {
				o.Query = func(ctx context.Context, tenant string, l rules.Language, expr string, at time.Time) (promql.Vector, error) {
					if w.watermark.IsZero() || at.Before(w.watermark) { // here: the time at which the host died
						return w.query(ctx, tenant, l, expr, at)
					}
					return nil, nil
				}
			})
			e.SetRules("t", groups(t, diskGroup))
			return run(t, e)
		}
		stop := start()
		time.Sleep(time.Minute)
		stop()
		w.watermark = time.Now()
		time.Sleep(time.Minute)
		defer start()()
		time.Sleep(2 * time.Minute)
		require.Equal(t, "minor firing, unknown", w.news()[0])
	})
}

func TestEngineMissedSlotsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.slow["used"] = 40 * time.Second
		e := w.engine(func(o *Options) { o.Config.QueryTimeout *= 10 })
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		time.Sleep(5 * time.Minute)
		v := e.Groups("t")[0]
		require.Greater(t, v.Missed, int64(5))
		require.Equal(t, float64(v.Missed), testutil.ToFloat64(e.m.missed))
	})
}

// One slow rule does not hold the others.
func TestEngineSlowRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		text := "watchfire: 1\ngroups:\n"
		for i := range 20 {
			expr := fmt.Sprintf("m%d", i)
			if i < 10 {
				w.slow[expr] = time.Hour
			}
			text += fmt.Sprintf("  - name: g%d\n    rules: [{alert: A, expr: %s, levels: {major: {above: 1}}}]\n", i, expr)
		}
		e := w.engine(func(o *Options) { o.Config.Concurrency = 4 })
		e.SetRules("t", groups(t, text))
		defer run(t, e)()
		time.Sleep(10 * time.Minute)
		for i, g := range e.Groups("t") {
			if i < 10 {
				require.Error(t, g.Rules[0].Error)
				continue
			}
			require.WithinDuration(t, time.Now(), g.Slot, 16*time.Second, g.Name)
		}
	})
}

// Late data are waited for, and an evaluation without them clears nothing.
func TestEngineWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		behind := 3 * time.Second
		e := w.engine(func(o *Options) {
			o.Watermark = func(context.Context, string) time.Time {
				w.mu.Lock()
				defer w.mu.Unlock()
				return time.Now().Add(-behind)
			}
		})
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		time.Sleep(2 * time.Minute)
		require.Zero(t, testutil.ToFloat64(e.m.late))
		require.Contains(t, w.news(), "critical firing")

		w.mu.Lock()
		behind = time.Hour
		w.mu.Unlock()
		w.set("used", 1)
		time.Sleep(45 * time.Second)
		require.NotZero(t, testutil.ToFloat64(e.m.late))
		require.NotContains(t, w.news(), "critical resolved")
		time.Sleep(2 * time.Minute)
		require.Contains(t, w.news(), "critical firing, unknown")
	})
}

func TestEngineReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		e := w.engine(nil)
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		time.Sleep(2 * time.Minute)
		require.Contains(t, w.news(), "critical firing")
		since := e.Groups("t")[0].Rules[0].Alerts[0].Since

		changed := groups(t, diskGroup)
		changed[0].Rules[0].Annotations = labels.FromStrings("summary", "new text")
		e.SetRules("t", changed)
		time.Sleep(2 * time.Minute)
		a := e.Groups("t")[0].Rules[0].Alerts[0]
		require.Equal(t, since, a.Since)
		require.Equal(t, "new text", a.Annotations.Get("summary"))
		require.NotContains(t, w.news(), "critical resolved")

		e.SetRules("t", nil)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"critical resolved"}, w.news())
		stored, err := w.Groups(t.Context(), "t")
		require.NoError(t, err)
		require.Empty(t, stored)
	})
}

// A group that was removed while nobody ran ends its alerts.
func TestEngineRemovedWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		e := w.engine(nil)
		e.SetRules("t", groups(t, diskGroup))
		stop := run(t, e)
		time.Sleep(2 * time.Minute)
		stop()
		w.news()
		e = w.engine(nil)
		defer run(t, e)() // the tenant has no rules any more
		time.Sleep(time.Second)
		require.Equal(t, []string{"critical resolved"}, w.news())
	})
}

// lease is one lease for several engines.
type lease struct {
	mu     sync.Mutex
	holder string
	token  int64
	until  time.Time
	cut    map[string]bool // replicas that cannot reach it
}

type replica struct {
	*lease
	name string
}

func (r replica) Acquire(_ context.Context, ttl time.Duration) (int64, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut[r.name] {
		return 0, false, errors.New("cannot reach the store")
	}
	if r.holder != r.name && time.Now().Before(r.until) {
		return 0, false, nil
	}
	if r.holder != r.name {
		r.holder = r.name
		r.token++
	}
	r.until = time.Now().Add(ttl)
	return r.token, true, nil
}

func (r replica) Release(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holder == r.name {
		r.until = time.Time{}
	}
	return nil
}

// Two replicas: one evaluates, the other takes over with its timers, and no
// moment is evaluated by both.
func TestEngineFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		l := &lease{cut: map[string]bool{}}
		leading := map[string]bool{}
		start := func(name string) func() {
			e := w.engine(func(o *Options) {
				o.Lease = replica{l, name}
				o.OnLead = func(lead bool) {
					l.mu.Lock()
					leading[name] = lead
					l.mu.Unlock()
				}
			})
			e.SetRules("t", groups(t, diskGroup))
			return run(t, e)
		}
		stopA := start("a")
		time.Sleep(time.Second)
		stopB := start("b")
		time.Sleep(19 * time.Second)
		require.Equal(t, map[string]bool{"a": true}, leading)
		l.mu.Lock()
		l.cut["a"] = true // a is alive and cannot renew
		l.mu.Unlock()
		time.Sleep(50 * time.Second)
		require.Equal(t, map[string]bool{"a": false, "b": true}, leading)
		news := w.news()
		require.Contains(t, news, "critical firing")
		stopA()
		stopB()
		es, _ := w.Entries(t.Context(), "t", "", 100)
		require.Len(t, es, 3, "pending, major, critical, each once: %v", es)
	})
}

// Records are visible to later rules of the group, and vanish with a marker.
func TestEngineRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("up", 1)
		e := w.engine(nil)
		e.SetRules("t", groups(t, `
groups:
  - name: g
    labels: {team: x}
    rules:
      - {record: "host:up", expr: up}
      - {alert: Down, expr: "host:up == 0"}
      - {alert: Other, expr: "other == 0"}
`))
		defer run(t, e)()
		time.Sleep(time.Minute)
		require.Equal(t, 1.0, w.samples[`{__name__="host:up", host="a", team="x"}`])
		g := e.running["t"]["t.yaml;g"]
		require.True(t, g.rules[1].flush)
		require.False(t, g.rules[2].flush)
		w.mu.Lock()
		delete(w.answers, "up")
		w.mu.Unlock()
		time.Sleep(time.Minute)
		require.True(t, value.IsStaleNaN(w.samples[`{__name__="host:up", host="a", team="x"}`]))
	})
}

func TestEngineRuleErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := w.engine(func(o *Options) {
			o.Config.MaxSeries = 2
			o.Query = func(_ context.Context, _ string, _ rules.Language, expr string, _ time.Time) (promql.Vector, error) {
				if expr == "many" {
					return make(promql.Vector, 3), nil
				}
				return promql.Vector{
					{Metric: labels.FromStrings("__name__", "m", "host", "a"), F: 1},
					{Metric: labels.FromStrings("__name__", "m", "host", "b"), F: 1},
				}, nil
			}
		})
		e.SetRules("t", groups(t, `
groups:
  - {name: limited, limit: 1, rules: [{alert: A, expr: m}, {record: r, expr: m}]}
  - {name: many, rules: [{alert: A, expr: many}]}
  - {name: duplicate, rules: [{alert: A, expr: m, labels: {host: x}}, {record: r, expr: m, labels: {host: x}}]}
`))
		defer run(t, e)()
		time.Sleep(time.Minute)
		gs := e.Groups("t")
		require.EqualError(t, gs[0].Rules[0].Error, "exceeded limit of 1 with 2 alerts")
		require.EqualError(t, gs[0].Rules[1].Error, "exceeded limit of 1 with 2 series")
		require.ErrorContains(t, gs[1].Rules[0].Error, "3 series, more than alerting.evaluation.max_series (2)")
		require.ErrorIs(t, gs[2].Rules[0].Error, errDuplicateAlert)
		require.ErrorIs(t, gs[2].Rules[1].Error, errDuplicateRecord)
	})
}

// A store that is gone holds nothing up.
func TestEngineStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("used", 99)
		e := w.engine(func(o *Options) { o.Store = brokenStore{w} })
		e.SetRules("t", groups(t, diskGroup))
		defer run(t, e)()
		time.Sleep(2 * time.Minute)
		require.Contains(t, w.news(), "critical firing")
		require.NotZero(t, testutil.ToFloat64(e.m.saveErrors))
	})
}

type brokenStore struct{ Store }

func (brokenStore) Save(context.Context, string, string, []byte, int64, int64) (int64, error) {
	return 0, errors.New("disk full")
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	err := Config{WatermarkWait: -1}.Validate()
	for _, key := range []string{"interval", "query_timeout", "slow_after", "resend_delay", "resolved_retention",
		"outage_tolerance", "lease_ttl", "watermark_wait", "max_series", "concurrency", "slow_concurrency"} {
		require.ErrorContains(t, err, key)
	}
}
