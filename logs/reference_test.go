package logs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/v3/pkg/chunkenc"
	"github.com/grafana/loki/v3/pkg/compression"
	"github.com/grafana/loki/v3/pkg/iter"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// lokiChunks are streams in Loki's own chunks: what Loki would read.
type lokiChunks struct {
	labels []labels.Labels
	chunks []*chunkenc.MemChunk
}

// newLokiChunks keeps the lines as our Writer makes them.
func newLokiChunks(t testing.TB, streams []telemetry.LogStream) *lokiChunks {
	t.Helper()
	known := newKnownStreams(telemetry.DefaultIdentity())
	pl := &plan{}
	pl.begin("t", known.tenant("t"), Limits{}.bounds(epoch), 0)
	for i := range streams {
		pl.add(known, &streams[i], func(r *rejection, _ int) { t.Fatal(r.detail) })
	}
	c := &lokiChunks{}
	for _, s := range pl.tailed() {
		chunk := chunkenc.NewMemChunk(chunkenc.ChunkFormatV4, compression.None, chunkenc.UnorderedWithStructuredMetadataHeadBlockFmt, 1<<20, 0)
		for _, r := range s.lines {
			_, err := chunk.Append(&logproto.Entry{Timestamp: time.Unix(0, r.time), Line: r.line, StructuredMetadata: logproto.FromLabelsToLabelAdapters(r.metadata)})
			require.NoError(t, err)
		}
		c.labels, c.chunks = append(c.labels, s.labels), append(c.chunks, chunk)
	}
	return c
}

func (c *lokiChunks) SelectLogs(ctx context.Context, p logql.SelectLogParams) (iter.EntryIterator, error) {
	expr, err := p.LogSelector()
	if err != nil {
		return nil, err
	}
	pipeline, err := expr.Pipeline()
	if err != nil {
		return nil, err
	}
	var its []iter.EntryIterator
	for i, ls := range c.labels {
		if matchesAll(expr.Matchers(), ls) {
			it, err := c.chunks[i].Iterator(ctx, p.Start, p.End, p.Direction, pipeline.ForStream(ls))
			if err != nil {
				return nil, err
			}
			its = append(its, it)
		}
	}
	return iter.NewSortEntryIterator(its, p.Direction), nil
}

func (c *lokiChunks) SelectSamples(ctx context.Context, p logql.SelectSampleParams) (iter.SampleIterator, error) {
	expr, err := p.Expr()
	if err != nil {
		return nil, err
	}
	selector, err := expr.Selector()
	if err != nil {
		return nil, err
	}
	extractors, err := expr.Extractors()
	if err != nil {
		return nil, err
	}
	var its []iter.SampleIterator
	for i, ls := range c.labels {
		if matchesAll(selector.Matchers(), ls) {
			its = append(its, c.chunks[i].SampleIterator(ctx, p.Start, p.End, extractors[0].ForStream(ls)))
		}
	}
	return iter.NewSortSampleIterator(its), nil
}

// reference answers a query by Loki's engine over Loki's own chunks.
func (c *lokiChunks) answer(ctx context.Context, p Params) (logqlmodel.Result, error) {
	engine := logql.NewEngine(logql.EngineOpts{}, c, logql.NoLimits, nil)
	direction := logproto.BACKWARD
	if p.Forward {
		direction = logproto.FORWARD
	}
	params, err := logql.NewLiteralParams(p.Query, p.Start, p.End, p.Step, p.Interval, direction, uint32(p.Limit), nil, nil)
	if err != nil {
		return logqlmodel.Result{}, err
	}
	return engine.Query(params).Exec(tenantContext(ctx, "t"))
}

func testEngine(t testing.TB) *Engine {
	t.Helper()
	cfg := DefaultQueryConfig()
	cfg.MaxSeries = 100_000
	return NewEngine(cfg, NewStore(cfg, enginetest.Client(t)), EngineOptions{})
}

// text is a result as text, lines of a stream in their order.
func text(r logqlmodel.Result) string {
	var out []string
	switch v := r.Data.(type) {
	case logqlmodel.Streams:
		for _, s := range v {
			for _, e := range s.Entries {
				out = append(out, fmt.Sprintf("%s %d %q %v %v", s.Labels, e.Timestamp.UnixNano(), e.Line, e.StructuredMetadata, e.Parsed))
			}
		}
		sort.SliceStable(out, func(i, j int) bool { return strings.SplitN(out[i], " ", 2)[0] < strings.SplitN(out[j], " ", 2)[0] })
	case nil:
	default:
		return v.String()
	}
	return strings.Join(out, "\n")
}

// words are what random lines and needles are made of.
var words = []string{"error", "err", "Error", "timeout", "user_id=42", "GET /api/v1", "日志", "错误", "ſ", "K", "100%", "a_b", `\d`, "'", "x\ny", "\x00", "\xff\xfe", "naïve", "0x5f3759df", "terror", " ", "(", "level=warn", `{"level":"debug","n":7}`, "", "."}

func randomStreams(r *rand.Rand, n int) []telemetry.LogStream {
	streams := []telemetry.LogStream{
		{Labels: labels.FromStrings("app", "a", "env", "prod")},
		{Labels: labels.FromStrings("app", "b", "env", "prod")},
		{Labels: labels.FromStrings("app", "b", "env", "dev", "pod", "b-1")},
	}
	for i := range n {
		rec := telemetry.LogRecord{Time: epoch.Add(time.Duration(i) * 7 * time.Second / 4).UnixNano()}
		var parts []string
		for range r.IntN(6) {
			parts = append(parts, words[r.IntN(len(words))])
		}
		rec.Line = fmt.Sprintf("%s #%d", strings.Join(parts, []string{" ", "", "-"}[r.IntN(3)]), i)
		switch r.IntN(4) {
		case 0:
			rec.Metadata = attrs("pod", fmt.Sprint("b-", r.IntN(3)), "user", words[r.IntN(10)])
		case 1:
			rec.Metadata = attrs("trace_id", fmt.Sprintf("%032x", r.IntN(4)), "user", "")
		case 2:
			rec.Severity = telemetry.Severity(r.IntN(25))
		}
		s := &streams[r.IntN(len(streams))]
		s.Records = append(s.Records, rec)
	}
	return streams
}

// randomFilters is a pipeline of filters, some behind other stages.
func randomFilters(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		switch r.IntN(9) {
		case 0, 1, 2:
			fmt.Fprintf(&b, " %s %q", []string{"|=", "!="}[r.IntN(2)], needle(r))
		case 3:
			fmt.Fprintf(&b, " %s %q or %q", []string{"|=", "!="}[r.IntN(2)], needle(r), needle(r))
		case 4:
			fmt.Fprintf(&b, " %s %q", []string{"|~", "!~"}[r.IntN(2)], []string{"err", "(?i)ERR", "e.*r", "^err", "\\d+$", "(error|timeout)", "错.", "a|日", ".+", "user_id=\\d", "(?i)k", "[^e]rror", "\\x00", "(?s)x.y", "x.y", "err(or)?", "err{1,2}o", "\\bAPI|api\\b"}[r.IntN(18)])
		case 5:
			fmt.Fprintf(&b, " | %s%s%q", []string{"user", "pod", "trace_id", "detected_level", "nope"}[r.IntN(5)], []string{"=", "!=", "=~", "!~"}[r.IntN(4)],
				[]string{"", "b-1", "error", "err|Error", fmt.Sprintf("%032x", 2), "info|warn", "b-.*", "unknown"}[r.IntN(8)])
		case 6:
			b.WriteString([]string{" | json", " | logfmt", ` | line_format "{{.app}} {{__line__}}"`, ` | label_format user="x"`, ` | drop user`, " | decolorize"}[r.IntN(6)])
		case 7:
			fmt.Fprintf(&b, ` | user=%q or detected_level=%q`, words[r.IntN(5)], []string{"error", "fatal", "unknown"}[r.IntN(3)])
		case 8:
			fmt.Fprintf(&b, ` | n > %d`, r.IntN(9))
		}
	}
	return b.String()
}

func needle(r *rand.Rand) string {
	w := words[r.IntN(len(words))]
	switch r.IntN(3) {
	case 0:
		w += words[r.IntN(len(words))]
	case 1:
		if len(w) > 2 {
			w = w[r.IntN(len(w)-1):]
		}
	}
	return strings.ToValidUTF8(w, "\uFFFD")
}

// What SQL does of a query must not show: random queries over random lines,
// against Loki's own engine.
func TestAnswersAreLokis(t *testing.T) {
	tenant, engine := enginetest.Tenant(t), testEngine(t)
	r := rand.New(rand.NewPCG(1, 2))
	streams := randomStreams(r, 600)
	write(t, tenant, streams...)
	write(t, tenant, streams[1]) // sent again
	loki := newLokiChunks(t, streams)
	for range 300 {
		p := Params{Start: epoch, End: epoch.Add(time.Duration(1+r.IntN(1100)) * time.Second), Limit: 1 + r.IntN(800), Forward: r.IntN(2) == 0}
		p.Query = []string{`{app="a"}`, `{app=~".+"}`, `{app="b",pod=""}`, `{env!="dev",app=~"a|b"}`}[r.IntN(4)] + randomFilters(r)
		if r.IntN(3) == 0 {
			p.Step = time.Duration(1+r.IntN(200)) * time.Second
			p.Query = fmt.Sprintf([]string{"sum by (app) (count_over_time(%s [%ds]))", "sum by (level, detected_level, pod) (count_over_time(%s [%ds] offset 20s))", "count_over_time(%s [%ds])", "sum(rate(%s [%ds]))", "sum by (env, user) (bytes_over_time(%s [%ds]))",
				"bytes_rate(%s [%ds])", "sum without (app) (rate(%s [%ds])) > 0.1", "max by (env) (sum by (app, env) (count_over_time(%s [%ds])))"}[r.IntN(8)], p.Query, 1+r.IntN(300))
		}
		want, wantErr := loki.answer(t.Context(), p)
		got, err := engine.Exec(t.Context(), tenant, p)
		if wantErr != nil {
			require.Error(t, err, p.Query)
			continue
		}
		require.NoError(t, err, p.Query)
		require.Equal(t, text(want), text(got), "%s [%s, %s) limit %d forward %v step %s", p.Query, p.Start, p.End, p.Limit, p.Forward, p.Step)
	}
}
