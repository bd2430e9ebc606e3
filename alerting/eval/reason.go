package eval

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/watchfire/watchfire/alerting/rules"
)

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func ms(d int64) string {
	return model.Duration(time.Duration(d) * time.Millisecond).String()
}

// reason says in words and numbers why a state changed.
func reason(r *rules.Rule, before, s *State, o *Observation, now int64, forgotten bool) string {
	switch {
	case forgotten:
		return fmt.Sprintf("forgotten: no data for %s (unknown.forget %s)", ms(now-s.Missing), model.Duration(r.Unknown.Forget))
	case s.Phase == Unknown:
		return fmt.Sprintf("%s for %s (unknown.after %s)", why(o), ms(now-s.Missing), model.Duration(r.Unknown.After))
	case s.Phase == Firing && s.Level >= before.Level:
		return raised(r, s, now)
	case s.Phase == Firing:
		return cleared(r, before, o) + "; " + raised(r, s, now)
	case s.Phase == Pending && before.worst() != rules.None:
		return cleared(r, before, o)
	case s.Phase == Pending:
		return waiting(r, s)
	case before.Phase == Unknown && before.worst() == rules.None:
		return "data are back: value " + format(s.Value)
	case before.Phase == Unknown:
		return "data are back: " + cleared(r, before, o)
	}
	return cleared(r, before, o)
}

// why names what is missing.
func why(o *Observation) string {
	switch {
	case o.Failed != "":
		return "cannot tell (" + o.Failed + ")"
	case o.Late:
		return "data are late"
	}
	return "no data"
}

func levelOf(r *rules.Rule, level rules.Level) *rules.LevelRule {
	for i := range r.Levels {
		if r.Levels[i].Level == level {
			return &r.Levels[i]
		}
	}
	return nil
}

func raised(r *rules.Rule, s *State, now int64) string {
	l := levelOf(r, s.Level)
	held := ms(now - s.at(s.Level).Since)
	if l.Op == rules.Present {
		return fmt.Sprintf("%s: the condition has held for %s (for %s), value %s", l.Level, held, model.Duration(l.For), format(s.Value))
	}
	return fmt.Sprintf("%s: value %s %s %s for %s (for %s)", l.Level, format(s.Value), l.Op, format(l.Threshold), held, model.Duration(l.For))
}

func waiting(r *rules.Rule, s *State) string {
	for i := range r.Levels {
		l := &r.Levels[i]
		if s.at(l.Level).Since == 0 {
			continue
		}
		if l.Op == rules.Present {
			return fmt.Sprintf("%s: the condition holds, value %s, waiting for %s", l.Level, format(s.Value), model.Duration(l.For))
		}
		return fmt.Sprintf("%s: value %s %s %s, waiting for %s", l.Level, format(s.Value), l.Op, format(l.Threshold), model.Duration(l.For))
	}
	return ""
}

// cleared says why the level that was is left.
func cleared(r *rules.Rule, before *State, o *Observation) string {
	l := levelOf(r, before.worst())
	if l == nil {
		l = pendingLevel(r, before)
	}
	if l == nil {
		return "the rule no longer has this level"
	}
	v, has := o.Get(l.Expr)
	keep := ""
	if l.KeepFiringFor > 0 && before.at(l.Level).Firing {
		keep = fmt.Sprintf(" for %s (keep_firing_for)", model.Duration(l.KeepFiringFor))
	}
	switch {
	case !has && l.Op == rules.Present:
		return fmt.Sprintf("%s cleared: the condition is gone%s", l.Level, keep)
	case !has:
		return fmt.Sprintf("%s cleared: the series is gone%s", l.Level, keep)
	case before.at(l.Level).Firing && l.Clear != l.Threshold:
		return fmt.Sprintf("%s cleared: value %s is not %s %s (clear)%s", l.Level, format(v), l.Op, format(l.Clear), keep)
	}
	return fmt.Sprintf("%s cleared: value %s is not %s %s%s", l.Level, format(v), l.Op, format(l.Threshold), keep)
}

func pendingLevel(r *rules.Rule, s *State) *rules.LevelRule {
	for i := range r.Levels {
		if s.at(r.Levels[i].Level).Since != 0 {
			return &r.Levels[i]
		}
	}
	if len(r.Levels) > 0 {
		return &r.Levels[0]
	}
	return nil
}
