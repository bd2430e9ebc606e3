package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// entry is one entry of the journal.
type entry struct {
	cursor  string
	service string
	record  telemetry.LogRecord
}

func (e entry) labels(host string) labels.Labels {
	return labels.FromStrings("host_name", host, "service_name", e.service, "source", "journal")
}

// fields of systemd.journal-fields(7) that become structured metadata.
var metadataFields = map[string]string{
	"_PID": "pid", "_UID": "uid", "_COMM": "command", "_SYSTEMD_UNIT": "unit", "_TRANSPORT": "transport",
	"SYSLOG_IDENTIFIER": "identifier", "CODE_FILE": "code_file", "CODE_LINE": "code_line", "CONTAINER_NAME": "container_name",
}

// severities of syslog's priorities 0 to 7 (OpenTelemetry logs data model,
// appendix B).
var severities = [8]telemetry.Severity{21, 19, 18, 17, 13, 10, 9, 5}

var errNoEntry = errors.New("not an entry of the journal")

// parseEntry reads one line of journalctl --output=json.
func parseEntry(line []byte) (e entry, err error) {
	var f map[string]any
	if err := json.Unmarshal(line, &f); err != nil {
		return e, fmt.Errorf("%w: %w", errNoEntry, err)
	}
	us, err := strconv.ParseInt(text(f["__REALTIME_TIMESTAMP"]), 10, 64)
	if err != nil || us < 0 || us > 1<<62/1000 {
		return e, errNoEntry
	}
	e.cursor = text(f["__CURSOR"])
	e.record = telemetry.LogRecord{Time: us * 1000, Line: strings.ToValidUTF8(text(f["MESSAGE"]), "\uFFFD")}
	if p, err := strconv.Atoi(text(f["PRIORITY"])); err == nil && p >= 0 && p < len(severities) {
		e.record.Severity = severities[p]
	}
	e.service = service(f)
	for name, key := range metadataFields {
		if v := text(f[name]); v != "" {
			e.record.Metadata = append(e.record.Metadata, telemetry.Attribute{Key: key, Value: telemetry.StringValue(strings.ToValidUTF8(v, "\uFFFD"))})
		}
	}
	e.record.Metadata = collector.SortMetadata(e.record.Metadata)
	return e, nil
}

// service is who wrote an entry: its unit, else what it calls itself.
func service(f map[string]any) string {
	unit := strings.TrimSuffix(text(f["_SYSTEMD_UNIT"]), ".service")
	if unit != "" && !strings.HasSuffix(unit, ".scope") {
		return strings.ToValidUTF8(unit, "\uFFFD")
	}
	for _, name := range []string{"SYSLOG_IDENTIFIER", "_COMM", "_TRANSPORT"} {
		if v := text(f[name]); v != "" {
			return strings.ToValidUTF8(v, "\uFFFD")
		}
	}
	return "unknown_service"
}

// text is a field's value: a string, an array of bytes when it is not UTF-8, or
// an array of values when the field occurs several times, of which the first
// is taken.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if len(v) == 0 {
			return ""
		}
		if _, number := v[0].(float64); !number {
			return text(v[0])
		}
		b := make([]byte, 0, len(v))
		for _, n := range v {
			f, _ := n.(float64)
			b = append(b, byte(f))
		}
		return string(b)
	}
	return ""
}
