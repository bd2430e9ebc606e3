package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/rules"
)

func parseRule(t testing.TB, text string) *rules.Rule {
	t.Helper()
	groups, problems := rules.Parse("t.yaml", []byte("watchfire: 1\ngroups:\n- name: g\n  rules:\n  - alert: A\n"+text), rules.Options{})
	require.NoError(t, problems.Err())
	return groups[0].Rules[0]
}

const disk = `
    expr: used
    levels:
      critical: {above: 95, clear: 93, for: 1m}
      major: {above: 90, clear: 85, for: 2m}
    keep_firing_for: 1m
    unknown: {after: 2m, notify: minor, forget: 10m}
`

// at is minute m of the tests' time.
func at(m float64) int64 { return int64(m*60_000) + 1_000_000_000 }

func seen(v float64) *Observation {
	var o Observation
	o.Set(0, v)
	return &o
}

// observed is one step of a scenario; nil o is a series that is not there.
type observed struct {
	minute float64
	o      *Observation
	phase  Phase
	level  rules.Level
	reason string // of the transition, empty = there must be none
}

func play(t *testing.T, r *rules.Rule, steps []observed) {
	t.Helper()
	var s State
	for i, st := range steps {
		o := st.o
		if o == nil {
			o = &Observation{}
		}
		var tr *Transition
		s, tr = Step(r, s, o, at(st.minute))
		require.Equal(t, st.phase, s.Phase, "step %d at minute %v", i, st.minute)
		require.Equal(t, st.level, s.Level, "step %d at minute %v", i, st.minute)
		if st.reason == "" {
			require.Nil(t, tr, "step %d at minute %v", i, st.minute)
			continue
		}
		require.NotNil(t, tr, "step %d at minute %v", i, st.minute)
		require.Equal(t, st.reason, tr.Reason)
		require.Equal(t, s.Since, at(st.minute))
	}
}

func TestStepLevels(t *testing.T) {
	play(t, parseRule(t, disk), []observed{
		{0, seen(50), Inactive, rules.None, ""},
		{1, seen(96), Pending, rules.None, "critical: value 96 > 95, waiting for 1m"},
		{2, seen(97), Firing, rules.Critical, "critical: value 97 > 95 for 1m (for 1m)"},
		{3, seen(94), Firing, rules.Critical, ""}, // not beyond clear
		{4, seen(92), Firing, rules.Critical, ""}, // kept for a minute
		{5, seen(92), Firing, rules.Major, "critical cleared: value 92 is not > 93 (clear) for 1m (keep_firing_for); major: value 92 > 90 for 4m (for 2m)"},
		{6, seen(86), Firing, rules.Major, ""},
		{7, seen(84), Firing, rules.Major, ""},
		{8, seen(84), Inactive, rules.None, "major cleared: value 84 is not > 85 (clear) for 1m (keep_firing_for)"},
		{9, seen(91), Pending, rules.None, "major: value 91 > 90, waiting for 2m"},
		{10, seen(80), Inactive, rules.None, "major cleared: value 80 is not > 90"},
	})
}

func TestStepUnknown(t *testing.T) {
	late := seen(10)
	late.Late = true
	lateHigh := seen(99)
	lateHigh.Late = true
	play(t, parseRule(t, disk), []observed{
		{0, seen(50), Inactive, rules.None, ""},
		{1, nil, Inactive, rules.None, ""},
		{3, nil, Unknown, rules.Minor, "no data for 2m (unknown.after 2m)"},
		{4, seen(50), Inactive, rules.None, "data are back: value 50"},
		{5, seen(99), Pending, rules.None, "critical: value 99 > 95, waiting for 1m"},
		{6, lateHigh, Firing, rules.Critical, "critical: value 99 > 95 for 1m (for 1m)"}, // late data can raise
		{7, late, Firing, rules.Critical, ""},                                            // and never clear
		{8, &Observation{Failed: "query failed: timeout"}, Firing, rules.Critical, ""},
		{9, &Observation{Failed: "query failed: timeout"}, Unknown, rules.Critical, "cannot tell (query failed: timeout) for 2m (unknown.after 2m)"},
		{100, &Observation{Failed: "query failed: timeout"}, Unknown, rules.Critical, ""}, // a failure forgets nothing
		{101, seen(99), Firing, rules.Critical, "critical: value 99 > 95 for 1h36m (for 1m)"},
		{102, nil, Firing, rules.Critical, ""},
		{111, nil, Unknown, rules.Critical, "no data for 9m (unknown.after 2m)"},
		{112, nil, Inactive, rules.None, "forgotten: no data for 10m (unknown.forget 10m)"},
	})
}

// Pending timers do not run on while nobody can see the data.
func TestStepUnknownStopsPending(t *testing.T) {
	play(t, parseRule(t, disk), []observed{
		{0, seen(91), Pending, rules.None, "major: value 91 > 90, waiting for 2m"},
		{1, nil, Pending, rules.None, ""},
		{3, nil, Unknown, rules.Minor, "no data for 2m (unknown.after 2m)"},
		{4, seen(91), Pending, rules.None, "major: value 91 > 90, waiting for 2m"},
	})
}

func TestStepNaNIsMissing(t *testing.T) {
	play(t, parseRule(t, disk), []observed{
		{0, seen(50), Inactive, rules.None, ""},
		{1, seen(math.NaN()), Inactive, rules.None, ""},
		{3, seen(math.NaN()), Unknown, rules.Minor, "no data for 2m (unknown.after 2m)"},
	})
}

func TestStepUnknownOff(t *testing.T) {
	r := parseRule(t, "    expr: used\n    levels: {major: {above: 90}}\n    unknown: off\n")
	play(t, r, []observed{
		{0, seen(95), Firing, rules.Major, "major: value 95 > 90 for 0s (for 0s)"},
		{1, nil, Inactive, rules.None, "major cleared: the series is gone"},
	})
}

// A rule of Prometheus: a series that is there is the condition.
func TestStepPresent(t *testing.T) {
	groups, problems := rules.Parse("p.yaml", []byte(`
groups:
  - name: g
    rules: [{alert: Down, expr: up == 0, for: 2m, keep_firing_for: 1m, labels: {severity: page}}]
`), rules.Options{})
	require.NoError(t, problems.Err())
	play(t, groups[0].Rules[0], []observed{
		{0, seen(0), Pending, rules.None, "critical: the condition holds, value 0, waiting for 2m"},
		{1, nil, Inactive, rules.None, "critical cleared: the condition is gone"},
		{2, seen(0), Pending, rules.None, "critical: the condition holds, value 0, waiting for 2m"},
		{3, &Observation{Failed: "x"}, Pending, rules.None, ""},
		{4, seen(0), Firing, rules.Critical, "critical: the condition has held for 2m (for 2m), value 0"},
		{5, &Observation{Late: true}, Firing, rules.Critical, ""}, // late: absence says nothing
		{6, nil, Firing, rules.Critical, ""},
		{7, nil, Inactive, rules.None, "critical cleared: the condition is gone for 1m (keep_firing_for)"},
	})
}

// A level whose data are there is not hidden by another's that are missing.
func TestStepOwnExpressions(t *testing.T) {
	r := parseRule(t, `
    levels:
      critical: {expr: errors, above: 10}
      warning: {expr: latency, above: 1}
    unknown: {after: 1m}
`)
	both := Observation{}
	both.Set(0, 0)
	both.Set(1, 2)
	slow := Observation{}
	slow.Set(1, 2)
	bad := Observation{}
	bad.Set(0, 20)
	play(t, r, []observed{
		{0, &both, Firing, rules.Warning, "warning: value 2 > 1 for 0s (for 0s)"},
		{1, &slow, Firing, rules.Warning, ""},
		{5, &slow, Firing, rules.Warning, ""},
		{6, &bad, Firing, rules.Critical, "critical: value 20 > 10 for 0s (for 0s)"},
		{9, &bad, Firing, rules.Critical, ""},
	})
}

// A new version of a rule with a longer `for` or without a level.
func TestStepRuleChanged(t *testing.T) {
	short := parseRule(t, "    expr: used\n    levels: {critical: {above: 90}, minor: {above: 50}}\n")
	s, _ := Step(short, State{}, seen(95), at(0))
	require.Equal(t, rules.Critical, s.Level)
	long := parseRule(t, "    expr: used\n    levels: {critical: {above: 90, for: 5m}, minor: {above: 50}}\n")
	s, tr := Step(long, s, seen(95), at(1))
	require.Equal(t, rules.Minor, s.Level)
	require.NotNil(t, tr)
	without := parseRule(t, "    expr: used\n    levels: {critical: {above: 96}}\n")
	s, tr = Step(without, s, seen(95), at(2))
	require.Equal(t, Inactive, s.Phase)
	require.NotNil(t, tr)
}

func TestResume(t *testing.T) {
	r := parseRule(t, disk)
	s, _ := Step(r, State{}, seen(91), at(0))
	soon := Resume(s, at(0), at(1), time.Hour)
	require.NotZero(t, soon.at(rules.Major).Since, "the timer went on")
	later := Resume(s, at(0), at(61), time.Hour)
	require.Zero(t, later.at(rules.Major).Since, "too long ago to be believed")
}

// Whatever the values do: a value that stays between clear and threshold
// changes nothing, a level is not left before keep_firing_for, and not reached
// before `for`.
func TestStepHysteresis(t *testing.T) {
	r := parseRule(t, disk)
	rng := rand.New(rand.NewPCG(1, 2))
	for run := range 200 {
		var s State
		var values []float64
		left := map[rules.Level]int64{}
		entered := map[rules.Level]int64{}
		v := 50 + 50*rng.Float64()
		for i := range 500 {
			v = min(max(v+8*(rng.Float64()-0.5), 60), 100)
			values = append(values, v)
			now := at(float64(i) / 4)
			before := s
			var tr *Transition
			s, tr = Step(r, s, seen(v), now)
			fail := func(what string) string {
				return fmt.Sprintf("run %d step %d: %s (values %v)", run, i, what, values[max(0, i-20):])
			}
			for l := range r.Levels {
				rule := &r.Levels[l]
				was, is := before.at(rule.Level).Firing, s.at(rule.Level).Firing
				if !was && is {
					entered[rule.Level] = now
					if at, ok := left[rule.Level]; ok {
						require.GreaterOrEqual(t, now-at, rule.For.Milliseconds(), fail("came back before for"))
					}
				}
				if was && !is {
					left[rule.Level] = now
					require.LessOrEqual(t, v, rule.Clear, fail("left above clear"))
					require.GreaterOrEqual(t, now-entered[rule.Level], rule.KeepFiringFor.Milliseconds(), fail("left too soon"))
				}
				if was && v > rule.Clear {
					require.True(t, is, fail("left within the band"))
				}
			}
			if tr != nil {
				require.NotEmpty(t, tr.Reason)
				require.True(t, tr.From != tr.To || tr.FromLevel != tr.Level)
			}
		}
	}
}

// No recovery is ever silent: only data that say so, or forgetting, end an
// alert.
func TestStepNeverRecoversBlind(t *testing.T) {
	r := parseRule(t, disk)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var s State
		for i := range 300 {
			o := seen(70 + 30*rng.Float64())
			switch rng.IntN(4) {
			case 0:
				o = &Observation{Failed: "x"}
			case 1:
				o = &Observation{}
			case 2:
				o.Late = true
			}
			before := s
			var tr *Transition
			s, tr = Step(r, s, o, at(float64(i)/2))
			_, has := o.Get(0)
			if before.Level != rules.None && before.worst() != rules.None && s.Level < before.Level {
				require.True(t, has && !o.Late && o.Failed == "", "left %s without data: %+v", before.Level, tr)
			}
		}
	}
}

func BenchmarkStep(b *testing.B) {
	r := parseRule(b, disk)
	var s State
	o := seen(50)
	b.ReportAllocs()
	for i := range b.N {
		s, _ = Step(r, s, o, int64(i))
	}
}
