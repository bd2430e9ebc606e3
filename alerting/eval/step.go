package eval

import (
	"math"
	"time"

	"github.com/watchfire/watchfire/alerting/rules"
)

// Step makes the next state of an alert of rule r from its state and what was
// observed at now (Unix milliseconds). The transition is nil when neither
// phase nor level changed.
func Step(r *rules.Rule, s State, o *Observation, now int64) (State, *Transition) {
	before := s
	missing := false
	var known [4]bool
	for i := range r.Levels {
		l := &r.Levels[i]
		ls := s.at(l.Level)
		met, ok := condition(r, l, ls.Firing, o)
		if !ok {
			missing = true
			continue
		}
		known[l.Level-rules.Warning] = true
		advance(l, ls, met, now)
	}
	s.note(missing, now)
	s.dropLevels(r)
	forgotten := s.decide(r, o, now, known)
	s.Value = lastValue(r, &s, o)
	if s.Phase == before.Phase && s.Level == before.Level {
		return s, nil
	}
	s.Since = now
	switch {
	case s.Phase == Inactive:
		s.Active = 0
	case before.Phase == Inactive:
		s.Active = now
	}
	return s, &Transition{
		At: now, From: before.Phase, FromLevel: before.Level, To: s.Phase, Level: s.Level,
		Value: Value(s.Value), Reason: reason(r, &before, &s, o, now, forgotten),
	}
}

// condition tells whether a level's condition is met, and whether that can be
// told at all. A level that fires is judged by its clear value.
func condition(r *rules.Rule, l *rules.LevelRule, firing bool, o *Observation) (met, known bool) {
	if o.Failed != "" {
		return false, false
	}
	v, has := o.Get(l.Expr)
	if l.Op != rules.Present && math.IsNaN(v) {
		has = false // 0/0 says nothing about a threshold
	}
	switch {
	case !has:
		return false, !o.Late && (l.Op == rules.Present || r.Unknown.Off)
	case l.Op == rules.Present:
		return true, true
	case firing:
		met = l.Op.Holds(v, l.Clear)
	default:
		met = l.Op.Holds(v, l.Threshold)
	}
	return met, met || !o.Late
}

// advance moves a level's timers; it is Prometheus' logic of `for` and
// `keep_firing_for`, for one level.
func advance(l *rules.LevelRule, ls *LevelState, met bool, now int64) {
	switch {
	case met:
		ls.Gone = 0
		if ls.Since == 0 {
			ls.Since = now
		}
		ls.Firing = now-ls.Since >= l.For.Milliseconds() // a longer `for` puts it back
	case !ls.Firing:
		*ls = LevelState{}
	default:
		if ls.Gone == 0 {
			ls.Gone = now
		}
		if now-ls.Gone >= l.KeepFiringFor.Milliseconds() {
			*ls = LevelState{}
		}
	}
}

func (s *State) note(missing bool, now int64) {
	switch {
	case !missing:
		s.Seen, s.Missing = now, 0
	case s.Missing == 0:
		s.Missing = now
	}
}

// dropLevels forgets levels that the rule no longer has.
func (s *State) dropLevels(r *rules.Rule) {
	var has [4]bool
	for i := range r.Levels {
		has[r.Levels[i].Level-rules.Warning] = true
	}
	for i := range s.Levels {
		if !has[i] {
			s.Levels[i] = LevelState{}
		}
	}
}

// decide sets phase and level from the levels' timers and the missing data;
// known tells for which levels there were data.
func (s *State) decide(r *rules.Rule, o *Observation, now int64, known [4]bool) (forgotten bool) {
	gone := s.Missing != 0 && o.Failed == "" && !o.Late
	if gone && now-s.Missing >= r.Unknown.Forget.Milliseconds() {
		*s = State{Since: s.Since, Missing: s.Missing, Seen: s.Seen}
		return true
	}
	level := s.worst()
	seen := level != rules.None && known[level-rules.Warning]
	switch {
	case !seen && s.Missing != 0 && now-s.Missing >= r.Unknown.After.Milliseconds():
		s.clearPending()
		s.Phase, s.Level = Unknown, max(level, r.Unknown.Notify)
	case level != rules.None:
		s.Phase, s.Level = Firing, level
	case s.pending():
		s.Phase, s.Level = Pending, rules.None
	default:
		s.Phase, s.Level = Inactive, rules.None
	}
	return false
}

// clearPending stops timers that ran while nobody could see the data.
func (s *State) clearPending() {
	for i := range s.Levels {
		if !s.Levels[i].Firing {
			s.Levels[i] = LevelState{}
		}
	}
}

// lastValue is that of the worst level which fires or waits, else of the first
// that has one, else the last known.
func lastValue(r *rules.Rule, s *State, o *Observation) float64 {
	v, found := s.Value, false
	for i := range r.Levels {
		l := &r.Levels[i]
		got, has := o.Get(l.Expr)
		if !has {
			continue
		}
		if s.at(l.Level).Since != 0 {
			return got
		}
		if !found {
			v, found = got, true
		}
	}
	return v
}

// Resume prepares a state that was stored at last for an evaluation at now: a
// condition that nobody watched for longer than tolerance has to hold anew.
func Resume(s State, last, now int64, tolerance time.Duration) State {
	if now-last > tolerance.Milliseconds() {
		s.clearPending()
	}
	return s
}
