package eval

import (
	"fmt"
	"math"

	"github.com/watchfire/watchfire/alerting/rules"
)

// Phase is where an alert stands.
type Phase uint8

// The phases. Unknown is a phase of its own: the data that would tell are
// missing.
const (
	Inactive Phase = iota
	Pending
	Firing
	Unknown
)

var phaseNames = [...]string{"inactive", "pending", "firing", "unknown"}

// String is the phase's name in lower case.
func (p Phase) String() string { return phaseNames[p] }

// MarshalText writes the phase's name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the phase's name.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q of an alert", b)
}

// LevelState is how far one level's condition has come. Times are Unix
// milliseconds, 0 = not.
type LevelState struct {
	Since  int64 `json:"since,omitempty"`  // the condition has held since
	Firing bool  `json:"firing,omitempty"` // it has held for long enough
	Gone   int64 `json:"gone,omitempty"`   // firing, but the condition is gone since
}

// State is all that is kept of one alert between observations. Times are Unix
// milliseconds, 0 = not.
type State struct {
	Phase   Phase         `json:"phase"`
	Level   rules.Level   `json:"level,omitempty"`   // None unless people are to be told
	Since   int64         `json:"since,omitempty"`   // of this phase and level
	Active  int64         `json:"active,omitempty"`  // when it stopped being inactive
	Seen    int64         `json:"seen,omitempty"`    // the last observation with all data
	Missing int64         `json:"missing,omitempty"` // data have been missing since
	Value   float64       `json:"-"`                 // the last one, of the level that counts
	Levels  [4]LevelState `json:"levels"`            // by level, warning first
}

// at is the state of one level.
func (s *State) at(l rules.Level) *LevelState { return &s.Levels[l-rules.Warning] }

// worst is the worst level that fires by its condition.
func (s *State) worst() rules.Level {
	for l := rules.Critical; l > rules.None; l-- {
		if s.at(l).Firing {
			return l
		}
	}
	return rules.None
}

func (s *State) pending() bool {
	for i := range s.Levels {
		if s.Levels[i].Since != 0 && !s.Levels[i].Firing {
			return true
		}
	}
	return false
}

// maxExprs is how many expressions a rule can have: its own and one per level.
const maxExprs = 5

// Observation is what the queries of one slot say about one alert.
type Observation struct {
	// Failed is why there is no answer, empty when there is one.
	Failed string
	// Late: the answer may lack data that are on their way. It can raise an
	// alert and never clears one.
	Late   bool
	has    uint8
	values [maxExprs]float64
}

// Set records that expression i returned the alert's series with value v. It
// reports false when it already had.
func (o *Observation) Set(i int, v float64) bool {
	bit := uint8(1) << i
	if o.has&bit != 0 {
		return false
	}
	o.has |= bit
	o.values[i] = v
	return true
}

// Get returns the value that expression i gave for the series.
func (o *Observation) Get(i int) (float64, bool) { return o.values[i], o.has&(1<<i) != 0 }

// Transition is a change of phase or level, and why.
type Transition struct {
	At        int64       `json:"at"` // Unix milliseconds
	From      Phase       `json:"from"`
	FromLevel rules.Level `json:"from_level"`
	To        Phase       `json:"to"`
	Level     rules.Level `json:"level"`
	Value     Value       `json:"value"`
	Reason    string      `json:"reason"`
}

// Value is a float that JSON can carry: NaN and infinities become text.
type Value float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (v Value) MarshalJSON() ([]byte, error) {
	f := float64(v)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte(`"` + format(f) + `"`), nil
	}
	return []byte(format(f)), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Value) UnmarshalJSON(b []byte) error {
	var f float64
	if _, err := fmt.Sscan(trimQuotes(string(b)), &f); err != nil {
		return fmt.Errorf("cannot read value %s: %w", b, err)
	}
	*v = Value(f)
	return nil
}

func trimQuotes(s string) string {
	if len(s) > 1 && s[0] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
