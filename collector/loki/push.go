package loki

import (
	"fmt"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// Reasons of rejections, Loki's where it has one.
const (
	reasonInvalidLabels   = "invalid_labels"
	reasonMissingLabels   = "missing_labels"
	reasonTooManyLabels   = "max_label_names_per_series"
	reasonNameTooLong     = "label_name_too_long"
	reasonValueTooLong    = "label_value_too_long"
	reasonDuplicate       = "duplicate_label_names"
	reasonLineTooLong     = "line_too_long"
	reasonTooManyMetadata = "structured_metadata_too_many"
	reasonMetadataTooLong = "structured_metadata_too_large"
	reasonUTF8            = "invalid_utf8"
)

const (
	serviceName    = "service_name"
	unknownService = "unknown_service"
)

var labelParser = parser.NewParser(parser.Options{})

// push is one request as far as it is decoded.
type push struct {
	cfg     Config
	limits  collector.Limits
	streams []telemetry.LogStream
	outcome telemetry.Outcome
	records int
}

// errTooMany refuses a whole request.
type errTooMany struct{ limit int }

func (e errTooMany) Error() string {
	return fmt.Sprintf("lines of the request exceed the limit collector.limits.max_records of %d: send smaller requests", e.limit)
}

// begin counts one more record.
func (p *push) begin() error {
	if p.records++; collector.Exceeds(p.records, p.limits.MaxRecords) {
		return errTooMany{p.limits.MaxRecords}
	}
	return nil
}

// parsedLabels reads a stream's labels in their text form.
func (p *push) parsedLabels(text string) (labels.Labels, problem) {
	if len(text) > 1<<20 { // the labels package panics at 16 MiB
		return labels.EmptyLabels(), problem{reasonValueTooLong, fmt.Sprintf("labels of a stream: %d bytes exceed 1 MiB", len(text))}
	}
	ls, err := labelParser.ParseMetric(text)
	if err != nil {
		return ls, problem{reasonInvalidLabels, fmt.Sprintf("error parsing labels %s with error: %v", collector.Quote(text), err)}
	}
	return p.streamLabels(ls.WithoutEmpty())
}

// problem is why something is refused; none has an empty reason.
type problem struct{ reason, detail string }

func (p problem) ok() bool { return p.reason == "" }

// streamLabels holds a stream's labels against the limits, and names its service.
func (p *push) streamLabels(ls labels.Labels) (_ labels.Labels, bad problem) {
	n := ls.Len()
	switch name, twice := ls.HasDuplicateLabelNames(); {
	case n == 0:
		return ls, problem{reasonMissingLabels, "error at least one label pair is required per stream"}
	case twice:
		return ls, problem{reasonDuplicate, fmt.Sprintf("stream %s has duplicate label name: %q", collector.Quote(ls.String()), name)}
	case collector.Exceeds(n, p.limits.MaxStreamLabels):
		return ls, problem{reasonTooManyLabels, collector.Excess("labels of stream "+collector.Quote(ls.String()), n, "collector.limits.max_stream_labels", p.limits.MaxStreamLabels)}
	}
	ls.Range(func(l labels.Label) {
		switch {
		case !bad.ok():
		case l.Name == labels.MetricName:
			bad = problem{reasonInvalidLabels, "stream " + collector.Quote(ls.String()) + " has a metric name: write {label=\"value\", ...}"}
		case collector.Exceeds(len(l.Name), p.limits.MaxLabelNameBytes):
			bad = problem{reasonNameTooLong, collector.Excess("bytes of label name "+collector.Quote(l.Name), len(l.Name), "collector.limits.max_label_name_bytes", p.limits.MaxLabelNameBytes)}
		case collector.Exceeds(len(l.Value), p.limits.MaxLabelValueBytes):
			bad = problem{reasonValueTooLong, collector.Excess("bytes of label "+collector.Quote(l.Name), len(l.Value), "collector.limits.max_label_value_bytes", p.limits.MaxLabelValueBytes)}
		case !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value):
			bad = problem{reasonUTF8, "label " + collector.Quote(l.Name) + " is not valid UTF-8"}
		}
	})
	if !bad.ok() || len(p.cfg.ServiceNameFrom) == 0 || ls.Has(serviceName) {
		return ls, bad
	}
	b := labels.NewBuilder(ls)
	b.Set(serviceName, unknownService)
	for _, from := range p.cfg.ServiceNameFrom {
		if v := ls.Get(from); v != "" {
			b.Set(serviceName, v)
			break
		}
	}
	return b.Labels(), bad
}

// checkRecord holds a record against the limits, and readies its metadata.
func (p *push) checkRecord(r *telemetry.LogRecord) problem {
	switch {
	case collector.Exceeds(len(r.Line), p.limits.MaxLineBytes):
		return problem{reasonLineTooLong, collector.Excess("bytes of a log line", len(r.Line), "collector.limits.max_line_bytes", p.limits.MaxLineBytes)}
	case !utf8.ValidString(r.Line):
		return problem{reasonUTF8, "log line " + collector.Quote(r.Line) + " is not valid UTF-8"}
	case collector.Exceeds(len(r.Metadata), p.limits.MaxAttributes):
		return problem{reasonTooManyMetadata, collector.Excess("structured metadata of a log line", len(r.Metadata), "collector.limits.max_attributes", p.limits.MaxAttributes)}
	}
	for i, m := range r.Metadata {
		v := m.Value.String()
		switch {
		case collector.Exceeds(len(m.Key)+len(v), p.limits.MaxAttributeBytes):
			return problem{reasonMetadataTooLong, collector.Excess("bytes of structured metadata "+collector.Quote(m.Key), len(m.Key)+len(v), "collector.limits.max_attribute_bytes", p.limits.MaxAttributeBytes)}
		case !utf8.ValidString(m.Key) || !utf8.ValidString(v):
			return problem{reasonUTF8, "structured metadata " + collector.Quote(m.Key) + " is not valid UTF-8"}
		case m.Key == "":
			return problem{reasonInvalidLabels, "structured metadata of a log line has an empty name"}
		case !model.LabelName(m.Key).IsValidLegacy():
			r.Metadata[i].Key = telemetry.EscapeName(m.Key)
		}
	}
	return problem{}
}

// add puts a stream of the records into the push, unless its labels are bad.
func (p *push) add(ls labels.Labels, bad problem, records []telemetry.LogRecord) {
	if !bad.ok() {
		p.outcome.Reject(bad.reason, bad.detail, max(1, len(records)))
		return
	}
	kept := records[:0]
	for i := range records {
		r := &records[i]
		if bad := p.checkRecord(r); !bad.ok() {
			p.outcome.Reject(bad.reason, bad.detail, 1)
			continue
		}
		r.Metadata = collector.SortMetadata(r.Metadata)
		kept = append(kept, *r)
	}
	if len(kept) > 0 {
		p.streams = append(p.streams, telemetry.LogStream{Labels: ls, Records: kept})
	}
}
