package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// fakeSink keeps or refuses blocks.
type fakeSink struct {
	blocks []storage.Block
	err    error
}

func (s *fakeSink) Insert(_ context.Context, b storage.Block) error {
	if s.err != nil {
		return s.err
	}
	s.blocks = append(s.blocks, b)
	return nil
}

func limited(t *testing.T, l Limits, sink *fakeSink) *Writer {
	c := testConfig()
	c.Limits = l
	c.Batch.RetryTimeout = time.Millisecond
	w := NewWriter(c, sink, WriterOptions{Now: func() time.Time { return epoch }, Registerer: prometheus.NewRegistry()})
	t.Cleanup(background(w))
	return w
}

func TestLimitsAreNamed(t *testing.T) {
	app := labels.FromStrings("app", "a")
	long := strings.Repeat("x", 100)
	for reason, c := range map[string]struct {
		limits Limits
		stream telemetry.LogStream
	}{
		reasonLineLong:       {Limits{MaxLine: 99}, lines(app, long)},
		reasonTooFarAhead:    {Limits{MaxAhead: time.Second}, lines(app, "a", "b", "c")},
		reasonTooOld:         {Limits{MaxAge: time.Second}, telemetry.LogStream{Labels: app, Records: []telemetry.LogRecord{{Time: 1}}}},
		reasonNoLabels:       {Limits{}, lines(labels.EmptyLabels(), "a")},
		reasonTooManyLabels:  {Limits{MaxLabels: 1}, lines(labels.FromStrings("a", "1", "b", "2"), "a")},
		reasonLabelName:      {Limits{}, lines(labels.FromStrings("\xff", "1"), "a")},
		reasonLabelValue:     {Limits{}, lines(labels.FromStrings("a", "\xff"), "a")},
		reasonLabelNameLong:  {Limits{MaxLabelName: 9}, lines(labels.FromStrings(long, "1"), "a")},
		reasonLabelValueLong: {Limits{MaxLabelValue: 9}, lines(labels.FromStrings("a", long), "a")},
		reasonMetadataMany:   {Limits{MaxMetadata: 1}, telemetry.LogStream{Labels: app, Records: []telemetry.LogRecord{{Metadata: attrs("a", "1", "b", "2")}}}},
		reasonMetadataLarge:  {Limits{MaxMetadataBytes: 9}, telemetry.LogStream{Labels: app, Records: []telemetry.LogRecord{{Metadata: attrs("a", long)}}}},
	} {
		t.Run(reason, func(t *testing.T) {
			sink := &fakeSink{}
			w := limited(t, c.limits, sink)
			out, err := w.WriteLogs(t.Context(), "t", []telemetry.LogStream{c.stream})
			require.NoError(t, err)
			require.Len(t, out.Rejected, 1)
			require.Equal(t, reason, out.Rejected[0].Reason)
			require.Equal(t, len(c.stream.Records), out.Accepted+out.RejectedCount())
			require.EqualValues(t, out.RejectedCount(), testutil.ToFloat64(w.metrics.rejected.WithLabelValues(reason)))
		})
	}
}

func TestStreamLimitCountsActiveStreamsOnly(t *testing.T) {
	now := epoch
	c := testConfig()
	c.Limits = Limits{MaxStreams: 2}
	w := NewWriter(c, &fakeSink{}, WriterOptions{Now: func() time.Time { return now }})
	t.Cleanup(background(w))
	push := func(app string) telemetry.Outcome {
		out, err := w.WriteLogs(t.Context(), "t", []telemetry.LogStream{lines(labels.FromStrings("app", app), "x")})
		require.NoError(t, err)
		return out
	}
	require.Equal(t, 1, push("a").Accepted)
	require.Equal(t, 1, push("b").Accepted)
	require.Contains(t, push("c").Message(), "logs.limits.max_streams")
	require.Equal(t, 1, push("a").Accepted)
	now = now.Add(2 * time.Hour)
	require.Equal(t, 1, push("c").Accepted)
}

func TestTruncateCutsBetweenRunes(t *testing.T) {
	p := plan{bounds: bounds{Limits: Limits{MaxLine: 4}}}
	require.Equal(t, "日", p.line("日志"))
	require.Equal(t, "a\uFFFDb", p.line("a\xffb"))
}

func TestFailedWriteRegistersNothing(t *testing.T) {
	sink := &fakeSink{err: errors.New("down")}
	w := limited(t, Limits{}, sink)
	push := []telemetry.LogStream{lines(labels.FromStrings("app", "a"), "x")}
	_, err := w.WriteLogs(t.Context(), "t", push)
	require.Error(t, err)
	sink.err = nil
	out, err := w.WriteLogs(t.Context(), "t", push)
	require.NoError(t, err)
	require.Equal(t, 1, out.Accepted)
	require.Len(t, sink.blocks, 2) // the stream again, and the line
}

func TestLinesOfOneTimeAreNumbered(t *testing.T) {
	rows := make([]row, 7)
	for i, tm := range []int64{5, 5, 6, 5, 5, 7, 6} {
		rows[i].time = tm
	}
	number(rows)
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r.time, "#", r.ord))
	}
	require.Equal(t, []string{"5#0", "5#1", "6#0", "5#2", "5#3", "7#0", "6#1"}, got)
}

func TestMetadataWithColumnsOfItsOwn(t *testing.T) {
	trace, span := "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, c := range map[string]struct {
		in   []telemetry.Attribute
		rest []telemetry.Attribute
	}{
		"ids":        {attrs("a", "1", "span_id", span, "trace_id", trace), attrs("a", "1")},
		"upper case": {attrs("trace_id", strings.ToUpper(trace)), attrs("trace_id", strings.ToUpper(trace))},
		"zero":       {attrs("span_id", "0000000000000000"), attrs("span_id", "0000000000000000")},
		"level":      {attrs("detected_level", "INFO", "z", "1"), attrs("z", "1")},
	} {
		t.Run(name, func(t *testing.T) {
			in := append([]telemetry.Attribute(nil), c.in...)
			r := row{metadata: in}
			require.Equal(t, c.rest, ownColumns(&r))
			require.Equal(t, c.in, in, "the caller's slice is not ours")
		})
	}
}
