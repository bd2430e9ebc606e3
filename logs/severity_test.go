package logs

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/telemetry"
)

// The cases are how Loki 3.7's distributor decides.
func TestDetectLevel(t *testing.T) {
	for name, c := range map[string]struct {
		labels labels.Labels
		rec    telemetry.LogRecord
		want   string
	}{
		"word":                    {rec: telemetry.LogRecord{Line: "2026-01-01 [ERROR] boom"}, want: "error"},
		"first word wins":         {rec: telemetry.LogRecord{Line: "warn: an error occurred"}, want: "warn"},
		"no word inside a word":   {rec: telemetry.LogRecord{Line: "terrors informal"}, want: "unknown"},
		"compound":                {rec: telemetry.LogRecord{Line: "misc:error happened"}, want: "unknown"},
		"json":                    {rec: telemetry.LogRecord{Line: `{"msg":"an error","level":"DEBUG"}`}, want: "debug"},
		"json nested":             {rec: telemetry.LogRecord{Line: `{"log":{"lvl":"inf"},"msg":"x"}`}, want: "info"},
		"json too deep":           {rec: telemetry.LogRecord{Line: `{"a":{"b":{"level":"warn"}}}`}, want: "warn"}, // by its word
		"logfmt":                  {rec: telemetry.LogRecord{Line: `ts=1 lvl=warning msg="error"`}, want: "warn"},
		"logfmt with odd level":   {rec: telemetry.LogRecord{Line: `level=7 msg="error"`}, want: "error"},
		"broken json":             {rec: telemetry.LogRecord{Line: `{"level":}`}, want: "unknown"},
		"label":                   {labels: labels.FromStrings("severity", "Fatal"), rec: telemetry.LogRecord{Line: "info"}, want: "fatal"},
		"label unknown to Loki":   {labels: labels.FromStrings("level", "notice"), rec: telemetry.LogRecord{Line: "info"}, want: "notice"},
		"metadata":                {rec: telemetry.LogRecord{Line: "info", Metadata: attrs("level", "WRN")}, want: "warn"},
		"metadata detected_level": {rec: telemetry.LogRecord{Line: "info", Metadata: attrs("detected_level", "ERR")}, want: "error"},
		"severity number":         {rec: telemetry.LogRecord{Line: "info", Severity: 19}, want: "error"},
		"syslog critical":         {rec: telemetry.LogRecord{Severity: 18}, want: "critical"},
		"empty":                   {want: "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, detectLevel(labelLevel(c.labels), &c.rec))
		})
	}
}

func attrs(pairs ...string) (out []telemetry.Attribute) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, telemetry.Attribute{Key: pairs[i], Value: telemetry.StringValue(pairs[i+1])})
	}
	return out
}
