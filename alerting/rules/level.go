package rules

import (
	"fmt"
	"strings"
)

// Level is how bad an alert is: the perceived severities of ITU-T X.733. A
// greater Level is worse; None means that the alert is at no level.
type Level uint8

// The levels, with the priorities that on-call people use for them.
const (
	None     Level = iota
	Warning        // P4
	Minor          // P3
	Major          // P2
	Critical       // P1
)

var levelNames = [...]string{"none", "warning", "minor", "major", "critical"}

// Levels lists the four levels, the worst first.
func Levels() []Level { return []Level{Critical, Major, Minor, Warning} }

// String is the level's name in lower case.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Priority is the level as P1 (critical) to P4 (warning), empty for None.
func (l Level) Priority() string {
	if l == None || l > Critical {
		return ""
	}
	return fmt.Sprintf("P%d", Critical-l+1)
}

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	for i := Warning; i <= Critical; i++ {
		if s == levelNames[i] {
			return i, nil
		}
	}
	return None, fmt.Errorf("unknown level %q: use critical, major, minor or warning", s)
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's name; none and the empty string are None.
func (l *Level) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 || string(b) == levelNames[None] {
		*l = None
		return nil
	}
	*l, err = ParseLevel(string(b))
	return err
}

// SeverityMap gives each value of the severity label, in lower case, its
// level. Rule files made for Prometheus name their severities freely.
type SeverityMap map[string]Level

// DefaultSeverities maps the names that are in common use.
func DefaultSeverities() SeverityMap {
	return SeverityMap{
		"critical": Critical, "page": Critical, "emergency": Critical, "fatal": Critical, "p1": Critical,
		"major": Major, "error": Major, "high": Major, "p2": Major,
		"minor": Minor, "medium": Minor, "p3": Minor,
		"warning": Warning, "warn": Warning, "info": Warning, "low": Warning, "none": Warning, "p4": Warning,
	}
}

// Level looks up a value of the severity label; one that is unknown or empty
// is a warning.
func (m SeverityMap) Level(severity string) Level {
	if l, ok := m[strings.ToLower(severity)]; ok {
		return l
	}
	return Warning
}
