package logs

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// plan is one push on its way to the tables: what the limits let through, as
// rows, grouped by stream.
type plan struct {
	tenant  string
	known   *tenantStreams
	bounds  bounds
	now     int64 // Unix seconds
	streams []plannedStream
	rows    []row
	bytes   int
	buf     []byte
	times   map[int64]uint16 // lines so far of a time, only for a stream out of order
}

type plannedStream struct {
	*stream
	labels     labels.Labels
	begin, end int // of rows
}

func (p *plan) begin(tenant string, known *tenantStreams, b bounds, now int64) {
	p.tenant, p.known, p.bounds, p.now = tenant, known, b, now
}

func (p *plan) reset() {
	clear(p.rows)
	clear(p.streams)
	*p = plan{streams: p.streams[:0], rows: p.rows[:0], buf: p.buf}
	if cap(p.rows) > 1<<16 {
		p.rows = nil
	}
}

// add plans a stream; refuse is called with what breaks a limit.
func (p *plan) add(k *knownStreams, ls *telemetry.LogStream, refuse func(*rejection, int)) {
	var id telemetry.SeriesID
	id, p.buf = telemetry.NewSeriesID(p.tenant, ls.Labels, p.buf)
	s, r := k.get(p.known, id, ls.Labels, p.bounds.Limits, p.now)
	if r != nil {
		refuse(r, len(ls.Records))
		return
	}
	begin := len(p.rows)
	for i := range ls.Records {
		rec := &ls.Records[i]
		if r := p.bounds.checkRecord(rec); r != nil {
			refuse(r, 1)
			continue
		}
		p.rows = append(p.rows, p.row(s, rec))
		p.bytes += len(p.rows[len(p.rows)-1].line)
	}
	if len(p.rows) > begin {
		p.streams = append(p.streams, plannedStream{s, ls.Labels, begin, len(p.rows)})
		number(p.rows[begin:])
	}
}

// row turns a record into a row.
func (p *plan) row(s *stream, rec *telemetry.LogRecord) row {
	r := row{
		time: rec.Time, observed: rec.Observed, severity: rec.Severity,
		trace: rec.TraceID, span: rec.SpanID, metadata: rec.Metadata, line: p.line(rec.Line),
	}
	level := detectLevel(s.level, rec)
	if r.severity == 0 {
		r.severity = severities[level]
	}
	if level != levelOf(r.severity) {
		r.level = level
	}
	if len(rec.Metadata) > 0 {
		r.metadata = ownColumns(&r)
	}
	return r
}

// line cuts a line at the limit and makes it UTF-8.
func (p *plan) line(s string) string {
	if most := p.bounds.MaxLine; most > 0 && len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Structured metadata that has columns of its own.
const (
	traceKey = "trace_id"
	spanKey  = "span_id"
)

// ownColumns moves trace_id, span_id and detected_level out of a row's
// metadata, if reading puts back the very same text, and returns the rest.
func ownColumns(r *row) []telemetry.Attribute {
	out, copied := r.metadata, false
	for i := 0; i < len(out); i++ {
		if !ownColumn(r, out[i]) {
			continue
		}
		if !copied {
			out, copied = append([]telemetry.Attribute(nil), out...), true
		}
		out = append(out[:i], out[i+1:]...)
		i--
	}
	return out
}

func ownColumn(r *row, a telemetry.Attribute) bool {
	switch a.Key {
	case levelKey:
		return true // detectLevel has taken it
	case traceKey:
		var id telemetry.TraceID
		if !parseID(id[:], a.Value.String()) || !r.trace.IsZero() && r.trace != id {
			return false
		}
		r.trace = id
		return true
	case spanKey:
		var id telemetry.SpanID
		if !parseID(id[:], a.Value.String()) || !r.span.IsZero() && r.span != id {
			return false
		}
		r.span = id
		return true
	}
	return false
}

// parseID reads an id of len(dst) bytes that is not zero from its usual text.
func parseID(dst []byte, text string) bool {
	if len(text) != 2*len(dst) || text != strings.ToLower(text) {
		return false
	}
	if _, err := hex.Decode(dst, []byte(text)); err != nil {
		return false
	}
	for _, b := range dst {
		if b != 0 {
			return true
		}
	}
	return false
}

// number sets ord of rows that share their time.
func number(rows []row) {
	var seen map[int64]uint16
	for i := 1; i < len(rows); i++ {
		switch prev := rows[i-1]; {
		case rows[i].time == prev.time:
			rows[i].ord = next(prev.ord)
		case rows[i].time < prev.time && seen == nil:
			seen = map[int64]uint16{}
			for _, r := range rows[:i] {
				seen[r.time] = next(r.ord)
			}
		}
		if seen != nil {
			rows[i].ord = seen[rows[i].time]
			seen[rows[i].time] = next(rows[i].ord)
		}
	}
}

// next counts up to the largest ord and stays there.
func next(ord uint16) uint16 { return max(ord, ord+1) }

// appendTo appends all rows.
func (p *plan) appendTo(c *recordColumns) {
	for i := range p.streams {
		s := &p.streams[i]
		for j := s.begin; j < s.end; j++ {
			c.Append(p.tenant, s.stream, &p.rows[j])
		}
	}
}

// freshDay is a day for which a stream is not registered yet.
type freshDay struct {
	stream int // index in plan.streams
	day    day
}

func (p *plan) freshDays() (fresh []freshDay) {
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	for i := range p.streams {
		s := &p.streams[i]
		last, first := day(0), true
		for j := s.begin; j < s.end; j++ {
			d := dayAt(p.rows[j].time)
			if !first && d == last || s.hasDay(d) {
				continue
			}
			last, first = d, false
			fresh = append(fresh, freshDay{i, d})
		}
	}
	return fresh
}
