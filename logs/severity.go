package logs

import (
	"strings"

	"github.com/buger/jsonparser"
	"github.com/grafana/loki/v3/pkg/logql/log/logfmt"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// levelKey is the structured metadata in which Loki tells a line's level.
const levelKey = "detected_level"

// unknownLevel is the level of lines that do not tell theirs.
const unknownLevel = "unknown"

// levelOf names a severity as Loki does. Syslog's critical is OpenTelemetry's
// 18 (logs data model, appendix B).
func levelOf(s telemetry.Severity) string { return levelNames[min(int(s), len(levelNames)-1)] }

var levelNames = func() (names [26]string) {
	for i := range names {
		switch {
		case i == 0 || i > 24:
			names[i] = unknownLevel
		case i <= 4:
			names[i] = "trace"
		case i <= 8:
			names[i] = "debug"
		case i <= 12:
			names[i] = "info"
		case i <= 16:
			names[i] = "warn"
		case i == 18:
			names[i] = "critical"
		case i <= 20:
			names[i] = "error"
		default:
			names[i] = "fatal"
		}
	}
	return names
}()

// severities are the severities of Loki's levels.
var severities = map[string]telemetry.Severity{"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "critical": 18, "fatal": 21}

// levelFields are the labels, structured metadata and fields of a line that
// name its level, best first: Loki's defaults.
var levelFields = []string{
	"level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl", "LVL", "Lvl",
	"severity_text", "Severity_Text", "SEVERITY_TEXT",
}

var isLevelField = func() map[string]bool {
	m := map[string]bool{}
	for _, f := range levelFields {
		m[f] = true
	}
	return m
}()

// normalLevel is Loki's name of a level; one that it does not know stays.
func normalLevel(level string) string {
	switch len(level) { // cheap way out for long text
	case 3, 4, 5, 7, 8, 11:
		switch strings.ToLower(level) {
		case "trace", "trc":
			return "trace"
		case "debug", "dbg":
			return "debug"
		case "info", "inf", "information":
			return "info"
		case "warn", "wrn", "warning":
			return "warn"
		case "error", "err":
			return "error"
		case "critical":
			return "critical"
		case "fatal":
			return "fatal"
		}
	}
	return level
}

// labelLevel is the level that a stream's labels tell, empty when they don't.
func labelLevel(ls labels.Labels) string {
	for _, f := range levelFields {
		if v := ls.Get(f); v != "" {
			return normalLevel(v)
		}
	}
	return ""
}

// detectLevel finds a record's level in Loki's order: what the sender calls
// detected_level, the stream's labels, the metadata, the severity number, the
// fields of a JSON or logfmt line, the words of the line. fromLabels is
// labelLevel of the stream.
func detectLevel(fromLabels string, r *telemetry.LogRecord) string {
	if v, ok := telemetry.Lookup(r.Metadata, levelKey); ok {
		return normalLevel(v.String())
	}
	if fromLabels != "" {
		return fromLabels
	}
	if len(r.Metadata) > 0 {
		for _, f := range levelFields {
			if v, ok := telemetry.Lookup(r.Metadata, f); ok && v.String() != "" {
				return normalLevel(v.String())
			}
		}
	}
	if r.Severity != 0 {
		return levelOf(r.Severity)
	}
	return lineLevel(r.Line)
}

// lineLevel reads the level from a line.
func lineLevel(line string) string {
	var field string
	switch {
	case looksLikeJSON(line):
		field = jsonLevel(line)
	case strings.IndexByte(line, '=') >= 0:
		field = logfmtLevel(line)
	}
	if level := normalLevel(field); severities[level] != 0 {
		return level
	}
	return wordLevel(line)
}

func looksLikeJSON(line string) bool {
	s := strings.TrimSpace(line)
	return len(s) >= 2 && s[0] == '{' && s[len(s)-1] == '}'
}

// jsonDepth is how deep in a JSON line a level is looked for.
const jsonDepth = 2

func jsonLevel(line string) (level string) {
	var walk func(data []byte, depth int) error
	walk = func(data []byte, depth int) error {
		return jsonparser.ObjectEach(data, func(key, value []byte, t jsonparser.ValueType, _ int) error {
			switch {
			case t == jsonparser.String && isLevelField[string(key)]:
				level = string(value)
				return errFound
			case t == jsonparser.Object && depth < jsonDepth:
				return walk(value, depth+1)
			}
			return nil
		})
	}
	_ = walk([]byte(line), 1) // a broken line has no level
	return level
}

var errFound = jsonparser.KeyPathNotFoundError

func logfmtLevel(line string) string {
	best, level := len(levelFields), ""
	d := logfmt.NewDecoder([]byte(line))
	for !d.EOL() && d.ScanKeyval() {
		for i, f := range levelFields[:best] {
			if len(f) == len(d.Key()) && strings.EqualFold(f, string(d.Key())) {
				best, level = i, string(d.Value())
				break
			}
		}
		if best == 0 {
			break
		}
	}
	return level
}

// levelWords are the words that tell a level, and it.
var levelWords = []struct{ word, level string }{
	{"trace", "trace"}, {"debug", "debug"}, {"fatal", "fatal"}, {"critical", "critical"}, {"error", "error"},
	{"err", "error"}, {"warning", "warn"}, {"warn", "warn"}, {"info", "info"},
}

// maxWordSearch bounds how much of a line is searched for level words; a level
// stands near the beginning.
const maxWordSearch = 4096

// wordLevel is the level of the first word of a line that tells one.
func wordLevel(line string) string {
	if len(line) > maxWordSearch {
		line = line[:maxWordSearch]
	}
	for i := 0; i < len(line); i++ {
		switch line[i] | 0x20 {
		case 't', 'd', 'f', 'c', 'e', 'w', 'i':
		default:
			continue
		}
		if i > 0 && !opensWord(line[i-1]) {
			continue
		}
		for _, w := range levelWords {
			end := i + len(w.word)
			if end <= len(line) && (end == len(line) || closesWord(line[end])) && strings.EqualFold(line[i:end], w.word) {
				return w.level
			}
		}
	}
	return unknownLevel
}

func opensWord(c byte) bool  { return strings.IndexByte(" \t\n[({\"=", c) >= 0 }
func closesWord(c byte) bool { return strings.IndexByte(" \t\n[](){}:,!\"=", c) >= 0 }
