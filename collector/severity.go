package collector

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// severityKeys are the names under which senders tell a line's level, the ones
// that Loki looks for.
var severityKeys = []string{"level", "severity", "severity_text", "detected_level", "lvl", "loglevel", "log_level"}

// ParseSeverity reads the name of a level, in any case, or an OpenTelemetry
// severity number; 0 = unknown.
func ParseSeverity(s string) telemetry.Severity {
	if len(s) == 0 || len(s) > 16 {
		return 0
	}
	switch strings.ToLower(s) {
	case "trace", "trc", "finest":
		return 1
	case "debug", "dbg", "fine", "d":
		return 5
	case "info", "information", "informational", "inf", "notice", "i":
		return 9
	case "warn", "warning", "wrn", "w":
		return 13
	case "error", "err", "eror", "e":
		return 17
	case "critical", "crit", "alert":
		return 18
	case "fatal", "panic", "emerg", "emergency", "dpanic", "f":
		return 21
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= 24 {
		return telemetry.Severity(n)
	}
	return 0
}

// LabelSeverity is the level that a stream's labels name, 0 = none.
func LabelSeverity(ls labels.Labels) telemetry.Severity {
	for _, k := range severityKeys {
		if s := ParseSeverity(ls.Get(k)); s != 0 {
			return s
		}
	}
	return 0
}

// Enrich sorts a record's metadata, keeps the first of equal keys, and reads
// severity, trace id and span id out of it as far as they are not set. level
// is what the stream's labels say; the last resort for severity is the line.
func Enrich(r *telemetry.LogRecord, level telemetry.Severity) {
	if len(r.Metadata) > 1 {
		slices.SortStableFunc(r.Metadata, func(a, b telemetry.Attribute) int { return cmp.Compare(a.Key, b.Key) })
		r.Metadata = slices.CompactFunc(r.Metadata, func(a, b telemetry.Attribute) bool { return a.Key == b.Key })
	}
	for _, m := range r.Metadata {
		switch m.Key {
		case "trace_id", "traceid", "traceID", "TraceID":
			if r.TraceID.IsZero() {
				decodeID(r.TraceID[:], m.Value.String())
			}
		case "span_id", "spanid", "spanID", "SpanID":
			if r.SpanID.IsZero() {
				decodeID(r.SpanID[:], m.Value.String())
			}
		case "severity_number":
			if n := m.Value.String(); r.Severity == 0 {
				r.Severity = ParseSeverity(n)
			}
		}
	}
	for _, k := range severityKeys {
		if r.Severity != 0 || len(r.Metadata) == 0 {
			break
		}
		if v, ok := telemetry.Lookup(r.Metadata, k); ok {
			r.Severity = ParseSeverity(v.String())
		}
	}
	if r.Severity == 0 {
		r.Severity = cmp.Or(level, LineSeverity(r.Line))
	}
}

// decodeID reads an id in hexadecimal; what is none leaves id as it is.
func decodeID(id []byte, text string) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(id) {
		copy(id, b)
	}
}

// LineSeverity looks for a level in the first bytes of a line: as the value of
// level, severity or lvl in logfmt or JSON, else as the first word in capitals
// or in brackets. 0 = none found.
func LineSeverity(line string) (found telemetry.Severity) {
	const window = 256
	if len(line) > window {
		line = line[:window]
	}
	for i := 0; i < len(line); {
		if !letters[line[i]] {
			i++
			continue
		}
		start := i
		for i < len(line) && letters[line[i]] {
			i++
		}
		n := i - start
		if n < 3 || n > 13 || start > 0 && digit(line[start-1]) {
			continue
		}
		word := line[start:i]
		if severityKey(word) {
			if s := severityValue(line[i:]); s != 0 {
				return s
			}
		} else if found == 0 && (upper(word) || bracketed(line, start, i)) {
			found = ParseSeverity(word)
		}
	}
	return found
}

func severityKey(word string) bool {
	switch len(word) {
	case 3:
		return strings.EqualFold(word, "lvl")
	case 5:
		return strings.EqualFold(word, "level")
	case 8:
		return strings.EqualFold(word, "severity")
	}
	return false
}

// severityValue reads what follows a key: =, : or ": and a word.
func severityValue(rest string) telemetry.Severity {
	rest = strings.TrimPrefix(rest, `"`)
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		return 0
	}
	rest = strings.TrimLeft(rest[1:], ` "`)
	end := 0
	for end < len(rest) && (letters[rest[end]] || digit(rest[end])) {
		end++
	}
	if end < 2 {
		return 0
	}
	return ParseSeverity(rest[:end])
}

// letters are what words are made of: ASCII letters and the underscore.
var letters = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	t['_'] = true
	return t
}()

func digit(c byte) bool { return c >= '0' && c <= '9' }

func bracketed(line string, start, end int) bool {
	return start > 0 && line[start-1] == '[' && end < len(line) && line[end] == ']'
}

func upper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}
