package remotewrite

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
)

func nhcb() *histogram.Histogram {
	return &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 2, CustomValues: []float64{0.5, 1},
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1},
	}
}

func requestV1() *prompb.WriteRequest {
	fh := tsdbutil.GenerateTestFloatHistogram(2)
	return &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{
				Labels:  []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "a"}, {Name: "zone", Value: ""}},
				Samples: []prompb.Sample{{Value: 1, Timestamp: 1000}, {Value: math.Float64frombits(value.StaleNaN), Timestamp: 2000}},
				Exemplars: []prompb.Exemplar{
					{Labels: []prompb.Label{{Name: "trace_id", Value: "abc"}}, Value: 0.5, Timestamp: 999},
				},
			},
			{ // labels out of order
				Labels:  []prompb.Label{{Name: "job", Value: "ü"}, {Name: "__name__", Value: "old"}},
				Samples: []prompb.Sample{{Value: -2.5, Timestamp: -7}},
			},
			{
				Labels: []prompb.Label{{Name: "__name__", Value: "native"}},
				Histograms: []prompb.Histogram{
					prompb.FromIntHistogram(5, tsdbutil.GenerateTestHistogram(1)),
					prompb.FromFloatHistogram(6, fh), prompb.FromIntHistogram(7, nhcb()),
				},
			},
		},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "up", Help: "is up", Unit: "s"}},
	}
}

func TestDecodeV1(t *testing.T) {
	body, err := requestV1().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(collector.DefaultLimits())
	defer b.release()
	if err := b.decodeV1(body); err != nil {
		t.Fatal(err)
	}
	want := `{__name__="up", job="a"} 1 @1000 start=0
{__name__="up", job="a"} NaN @2000 start=0
{__name__="up", job="a"} exemplar 0.5 {trace_id="abc"} @999
{__name__="old", job="ü"} -2.5 @-7 start=0
` + fmt.Sprintf(`{__name__="native"} %s schema=1 int @5 start=0
{__name__="native"} %s schema=1 float @6 start=0
{__name__="native"} %s schema=-53 int @7 start=0
`, tsdbutil.GenerateTestHistogram(1), tsdbutil.GenerateTestFloatHistogram(2), nhcb()) +
		`# up type=counter unit="s" help="is up"
`
	if diff := cmp.Diff(want, collectortest.Text(b.metrics)); diff != "" {
		t.Error(diff)
	}
	if v := b.metrics.Series[0].Samples[1].V; !value.IsStaleNaN(v) {
		t.Errorf("stale marker became %x", math.Float64bits(v))
	}
	if want := (written{3, 3, 1}); b.written != want {
		t.Errorf("written %+v, want %+v", b.written, want)
	}
	if n := b.outcome.RejectedCount(); n != 0 {
		t.Error(b.outcome.Message())
	}
}

func requestV2() *writev2.Request {
	st := writev2.NewSymbolTable()
	ref := func(ls ...string) []uint32 { return st.SymbolizeLabels(labels.FromStrings(ls...), nil) }
	r := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: ref("__name__", "req_total", "job", "a"),
			Samples:    []writev2.Sample{{Value: 3, Timestamp: 2000, StartTimestamp: 500}},
			Exemplars:  []writev2.Exemplar{{LabelsRefs: ref("trace_id", "abc"), Value: 1, Timestamp: 1999}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: st.Symbolize("requests"), UnitRef: st.Symbolize("1")},
		},
		{
			LabelsRefs: ref("__name__", "req_total", "job", "b"),
			Samples:    []writev2.Sample{{Value: 4, Timestamp: 2000}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: st.Symbolize("requests")},
		},
		{
			LabelsRefs: ref("__name__", "lat_bucket", "le", "1"),
			Samples:    []writev2.Sample{{Value: 1, Timestamp: 2000}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM},
		},
		{
			LabelsRefs: ref("__name__", "native"),
			Histograms: []writev2.Histogram{
				writev2.FromIntHistogram(1, 5, tsdbutil.GenerateTestHistogram(1)),
				writev2.FromFloatHistogram(2, 6, tsdbutil.GenerateTestFloatHistogram(2)),
			},
		},
	}}
	r.Symbols = st.Symbols()
	return r
}

func TestDecodeV2(t *testing.T) {
	body, err := requestV2().OptimizedMarshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(collector.DefaultLimits())
	defer b.release()
	if err := b.decodeV2(body); err != nil {
		t.Fatal(err)
	}
	want := `{__name__="req_total", job="a"} 3 @2000 start=500
{__name__="req_total", job="a"} exemplar 1 {trace_id="abc"} @1999
{__name__="req_total", job="b"} 4 @2000 start=0
{__name__="lat_bucket", le="1"} 1 @2000 start=0
` + fmt.Sprintf(`{__name__="native"} %s schema=1 int @5 start=1
{__name__="native"} %s schema=1 float @6 start=2
`, tsdbutil.GenerateTestHistogram(1), tsdbutil.GenerateTestFloatHistogram(2)) +
		`# req_total type=counter unit="1" help="requests"
# lat type=histogram unit="" help=""
`
	if diff := cmp.Diff(want, collectortest.Text(b.metrics)); diff != "" {
		t.Error(diff)
	}
	if want := (written{3, 2, 1}); b.written != want {
		t.Errorf("written %+v, want %+v", b.written, want)
	}
}

// A reused batch shows nothing of the request before.
func TestBatchesShareNothing(t *testing.T) {
	one, _ := requestV1().Marshal()
	for range 3 {
		b := newBatch(collector.DefaultLimits())
		if err := b.decodeV1(one); err != nil {
			t.Fatal(err)
		}
		kept := b.metrics.Series[0].Labels
		b.release()
		b = newBatch(collector.DefaultLimits())
		two := make([]byte, len(one))
		if err := b.decodeV1(two[:0]); err != nil || len(b.metrics.Series)+len(b.metrics.Metadata)+b.outcome.RejectedCount() != 0 {
			t.Fatalf("an empty request has %+v, %v", b.metrics, err)
		}
		b.release()
		clear(two)
		if kept.Get("job") != "a" {
			t.Fatalf("labels changed after release: %s", kept)
		}
	}
}

func TestBadSeriesAreRefusedAndTheRestKept(t *testing.T) {
	good := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "good"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: 1}}}
	many := []prompb.Label{{Name: "__name__", Value: "many"}}
	for i := range 10_000 {
		many = append(many, prompb.Label{Name: fmt.Sprintf("l%05d", i), Value: "v"})
	}
	badHist := tsdbutil.GenerateTestHistogram(1)
	badHist.Count = 1
	for _, tc := range []struct {
		name string
		bad  prompb.TimeSeries
		want string
	}{
		{"1 MB value", series("__name__", "big", "l", strings.Repeat("x", 1<<20)),
			`1 rejected (label_too_long): bytes of the value of label "l" in "big": 1048576 exceeds the limit collector.limits.max_label_value_bytes of 8192`},
		{"long name", series("__name__", "big", strings.Repeat("n", 2000), "x"),
			`1 rejected (label_too_long): bytes of the label name "` + strings.Repeat("n", 64) + `"...: 2000 exceeds the limit collector.limits.max_label_name_bytes of 1024`},
		{"10,000 labels", prompb.TimeSeries{Labels: many, Samples: good.Samples},
			`1 rejected (too_many_labels): labels of "many": 10001 exceeds the limit collector.limits.max_labels of 100`},
		{"invalid UTF-8 value", series("__name__", "m", "l", "\xff"), `1 rejected (invalid_labels): value of label "l" is not valid UTF-8 in "m"`},
		{"invalid UTF-8 name", series("__name__", "m", "\xff", "v"), `1 rejected (invalid_labels): label name "\xff" is not valid UTF-8`},
		{"no metric name", series("l", "v"), `1 rejected (invalid_labels): no metric name (__name__) in {"l"="v", ...}`},
		{"empty metric name", series("__name__", ""), `1 rejected (invalid_labels): no metric name (__name__) in ""`},
		{"empty label name", series("__name__", "m", "", "v"), `1 rejected (invalid_labels): a label has no name in "m"`},
		{"twice", series("__name__", "m", "a", "1", "a", "2"), `1 rejected (invalid_labels): label "a" occurs twice in "m"`},
		{"nothing", prompb.TimeSeries{Labels: good.Labels}, `1 rejected (empty_series): a series carries no sample, histogram or exemplar: "good"`},
		{"histogram", prompb.TimeSeries{Labels: good.Labels, Histograms: []prompb.Histogram{prompb.FromIntHistogram(1, badHist)}},
			`1 rejected (invalid_histogram): histogram of "good": 21 observations found in buckets, but the Count field is 1: histogram's observation count should equal`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{good, tc.bad, good}}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			b := newBatch(collector.DefaultLimits())
			defer b.release()
			if err := b.decodeV1(body); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(b.outcome.Message(), tc.want) {
				t.Errorf("outcome\n got %s\nwant %s", b.outcome.Message(), tc.want)
			}
			if len(b.metrics.Series) != 2 {
				t.Errorf("%d series kept, want 2", len(b.metrics.Series))
			}
		})
	}
}

func series(ls ...string) prompb.TimeSeries {
	ts := prompb.TimeSeries{Samples: []prompb.Sample{{Value: 1, Timestamp: 1}}}
	for i := 0; i < len(ls); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: ls[i], Value: ls[i+1]})
	}
	return ts
}

func TestHighResolutionIsReduced(t *testing.T) {
	h := tsdbutil.GenerateTestHistogram(1)
	h.Schema = 12
	body, _ := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{prompb.FromIntHistogram(1, h)},
	}}}).Marshal()
	b := newBatch(collector.DefaultLimits())
	defer b.release()
	if err := b.decodeV1(body); err != nil || len(b.metrics.Series) != 1 {
		t.Fatal(err, b.outcome.Message())
	}
	if got := b.metrics.Series[0].Histograms[0].Int.Schema; got != 8 {
		t.Errorf("schema %d, want 8", got)
	}
}

// Two bytes of a request must not become hundreds in memory without end.
func TestBombsAreCutOff(t *testing.T) {
	limits := collector.DefaultLimits()
	limits.MaxRecords = 1000
	nested := func(tag byte, inner string, n int) string {
		payload := strings.Repeat(inner, n)
		return string(appendMessage(nil, tag, payload))
	}
	for _, tc := range []struct {
		name   string
		decode func(*batch, []byte) error
		body   string
		err    bool
	}{
		{"samples", (*batch).decodeV1, nested(0x0a, "\x12\x00", 100_000), true},
		{"labels", (*batch).decodeV1, nested(0x0a, "\x0a\x00", 1_000_000), false},
		{"series", (*batch).decodeV1, strings.Repeat("\x0a\x00", 1_000_000), false},
		{"symbols", (*batch).decodeV2, strings.Repeat("\x22\x00", 1_000_000), true},
		{"refs", (*batch).decodeV2, "\x22\x00" + nested(0x2a, "\x08\x00", 1_000_000), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBatch(limits)
			defer b.release()
			if err := tc.decode(b, []byte(tc.body)); (err != nil) != tc.err {
				t.Errorf("error %v", err)
			}
			if len(b.metrics.Series) != 0 || cap(b.pairs) > 3*hardLabels || cap(b.samples) > 4*limits.MaxRecords {
				t.Errorf("%d series, room for %d labels, %d samples", len(b.metrics.Series), cap(b.pairs), cap(b.samples))
			}
		})
	}
}

func appendMessage(dst []byte, tag byte, payload string) []byte {
	dst = append(dst, tag)
	for n := len(payload); ; n >>= 7 {
		if n < 0x80 {
			return append(append(dst, byte(n)), payload...)
		}
		dst = append(dst, byte(n)|0x80)
	}
}

// FuzzDecodeV1 holds the decoder against the generated one: what that refuses
// must be refused, what it reads must be read the same.
func FuzzDecodeV1(f *testing.F) {
	body, _ := requestV1().Marshal()
	f.Add(body)
	for i := range body {
		if i%7 == 0 {
			f.Add(body[:i])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := newBatch(collector.DefaultLimits())
		defer b.release()
		err := b.decodeV1(body)
		var want prompb.WriteRequest
		if wantErr := want.Unmarshal(body); wantErr != nil || err != nil {
			return
		}
		samples := 0
		for _, ts := range want.Timeseries {
			samples += len(ts.Samples)
		}
		got := 0
		for _, s := range b.metrics.Series {
			got += len(s.Samples)
		}
		if b.outcome.RejectedCount() == 0 {
			compare(t, b, &want)
		}
		if got > samples || (b.outcome.RejectedCount() == 0 && got != samples) {
			t.Errorf("%d samples, want %d", got, samples)
		}
	})
}

// compare holds what was read against what the generated decoder read.
func compare(t *testing.T, b *batch, want *prompb.WriteRequest) {
	t.Helper()
	builder := labels.NewScratchBuilder(0)
	for i, ts := range want.Timeseries {
		got := b.metrics.Series[i]
		if ls := ts.ToLabels(&builder, nil).WithoutEmpty(); !labels.Equal(got.Labels, ls) {
			t.Errorf("series %d: labels %s, want %s", i, got.Labels, ls)
		}
		for j, s := range ts.Samples {
			if g := got.Samples[j]; g.T != s.Timestamp || math.Float64bits(g.V) != math.Float64bits(s.Value) {
				t.Errorf("series %d: sample %+v, want %+v", i, g, s)
			}
		}
	}
}

func FuzzDecodeV2(f *testing.F) {
	body, _ := requestV2().OptimizedMarshal(nil)
	f.Add(body)
	for i := range body {
		if i%7 == 0 {
			f.Add(body[:i])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := newBatch(collector.DefaultLimits())
		defer b.release()
		if err := b.decodeV2(body); err != nil {
			return
		}
		for _, s := range b.metrics.Series {
			if !s.Labels.Has(labels.MetricName) {
				t.Errorf("series without a name: %s", s.Labels)
			}
		}
	})
}
