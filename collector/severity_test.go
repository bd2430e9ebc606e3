package collector

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

func TestLineSeverity(t *testing.T) {
	for line, want := range map[string]telemetry.Severity{
		`ts=1 level=error msg="x"`:                 17,
		`{"ts":1,"level":"warn","msg":"INFO"}`:     13,
		`{"level": "Debug"}`:                       5,
		`severity=INFO`:                            9,
		`lvl=crit`:                                 18,
		`2024-01-01 12:00:00 ERROR something`:      17,
		`2024-01-01 [error] 7#7: *1 open() failed`: 17,
		`E0102 15:04:05 reflector.go] failed`:      0,
		`level=7up`:                                0,
		`sublevel=error`:                           0,
		`the error is human`:                       0,
		`panic: runtime error`:                     0,
		`GET /INFORMATION/x HTTP/1.1`:              9, // a word is a word
		"":                                         0,
		`level=`:                                   0,
		`[notice] hello`:                           9,
		string(make([]byte, 300)) + "level=error late": 0,
	} {
		if got := LineSeverity(line); got != want {
			t.Errorf("LineSeverity(%.60q) = %d, want %d", line, got, want)
		}
	}
}

func TestEnrich(t *testing.T) {
	str := telemetry.StringValue
	r := telemetry.LogRecord{Line: "level=debug", Metadata: []telemetry.Attribute{
		{Key: "trace_id", Value: str("0102030405060708090a0b0c0d0e0f10")}, {Key: "span_id", Value: str("not hex")},
		{Key: "level", Value: str("error")}, {Key: "level", Value: str("info")},
	}}
	Enrich(&r, 13)
	if r.Severity != 17 || r.TraceID[15] != 16 || !r.SpanID.IsZero() || len(r.Metadata) != 3 || r.Metadata[0].Key != "level" {
		t.Errorf("%+v", r)
	}
	r = telemetry.LogRecord{Line: "level=debug"}
	if Enrich(&r, 13); r.Severity != 13 {
		t.Errorf("the stream's level must win over the line's, got %d", r.Severity)
	}
	if got := LabelSeverity(labels.FromStrings("job", "a", "level", "WARN")); got != 13 {
		t.Errorf("LabelSeverity = %d", got)
	}
}

func BenchmarkLineSeverity(b *testing.B) {
	line := `2024-01-02T15:04:05.000Z 10.0.0.1 - - "GET /api/v1/cart/items?user=12345&page=2 HTTP/1.1" 200 5123 "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36" 0.123`
	for b.Loop() {
		LineSeverity(line)
	}
}
