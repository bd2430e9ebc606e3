package traces

import (
	"math"
	"reflect"
	"testing"

	"github.com/watchfire/watchfire/telemetry"
)

// fullSpan has every field set, and an attribute of every kind.
func fullSpan() telemetry.Span {
	attrs := []telemetry.Attribute{
		{Key: "s", Value: telemetry.StringValue("text")},
		{Key: "empty", Value: telemetry.StringValue("")},
		{Key: "i", Value: telemetry.IntValue(math.MinInt64)},
		{Key: "f", Value: telemetry.FloatValue(-0.5)},
		{Key: "b", Value: telemetry.BoolValue(true)},
		{Key: "n", Value: telemetry.BoolValue(false)},
		{Key: "j", Value: telemetry.JSONValue(`["a",1]`)},
	}
	return telemetry.Span{
		TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: 2}, ParentID: telemetry.SpanID{7: 1},
		TraceState: "a=b", Flags: 0x101, Name: "GET /cart", Kind: telemetry.SpanKindServer,
		Start: 1_700_000_000_000_000_001, Duration: 1_500_000, Status: telemetry.StatusError, StatusMessage: "boom",
		Resource:   []telemetry.Attribute{{Key: "service.name", Value: telemetry.StringValue("cart")}, {Key: "process.pid", Value: telemetry.IntValue(7)}},
		Scope:      telemetry.Scope{Name: "lib", Version: "1.0", Attributes: attrs[:1]},
		Attributes: attrs,
		Events:     []telemetry.SpanEvent{{Time: 1_700_000_000_000_500_000, Name: "exception", Attributes: attrs}, {Time: 1_600_000_000_000_000_000, Name: "early"}},
		Links:      []telemetry.SpanLink{{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{2}, TraceState: "x=y", Attributes: attrs[1:3]}},
	}
}

func TestEncodingKeepsEverything(t *testing.T) {
	want := fullSpan()
	got := telemetry.Span{TraceID: want.TraceID, SpanID: want.SpanID, Kind: want.Kind, Start: want.Start}
	if err := decodeSpan(&got, string(appendSpan(nil, &want))); err != nil {
		t.Fatal(err)
	}
	var err error
	if got.Resource, err = decodeResource(string(appendResource(nil, want.Resource))); err != nil {
		t.Fatal(err)
	}
	if got.Scope, err = decodeScope(string(appendScope(nil, &want.Scope))); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestDecodeRefusesEveryCut(t *testing.T) {
	s := fullSpan()
	text := string(appendSpan(nil, &s))
	for i := range text {
		if err := decodeSpan(&telemetry.Span{}, text[:i]); err == nil {
			t.Fatalf("the first %d of %d bytes were decoded", i, len(text))
		}
	}
}

func FuzzDecodeSpan(f *testing.F) {
	s := fullSpan()
	f.Add(string(appendSpan(nil, &s)))
	f.Add("\x01")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var first, second telemetry.Span
		if decodeSpan(&first, text) != nil {
			return
		}
		again := appendSpan(nil, &first)
		if err := decodeSpan(&second, string(again)); err != nil {
			t.Fatalf("cannot decode what was encoded: %v", err)
		}
		if string(appendSpan(nil, &second)) != string(again) {
			t.Fatal("encoding is not stable")
		}
	})
}
