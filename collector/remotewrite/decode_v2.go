package remotewrite

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/internal/wire"
	"github.com/watchfire/watchfire/telemetry"
)

// decodeV2 reads an io.prometheus.write.v2.Request. body must stay unchanged
// until the batch is released. The symbols come first in every known sender's
// requests, but protobuf does not promise an order, hence two passes.
func (b *batch) decodeV2(body []byte) error {
	for msg := body; len(msg) > 0; {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return fmt.Errorf("cannot parse write.v2.Request: %w", err)
		}
		msg = rest
		if f.Num == 4 {
			if err := f.Want(wire.Bytes, "symbols"); err != nil {
				return fmt.Errorf("cannot parse write.v2.Request: %w", err)
			}
			if collector.Exceeds(len(b.symbols)+1, b.limits.MaxRecords) {
				return errTooManyRecords{"symbols", b.limits.MaxRecords}
			}
			b.symbols = append(b.symbols, wire.String(f.Bytes))
		}
	}
	for msg := body; len(msg) > 0; {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return fmt.Errorf("cannot parse write.v2.Request: %w", err)
		}
		msg = rest
		if f.Num != 5 {
			continue
		}
		if err = f.Want(wire.Bytes, "timeseries"); err == nil {
			err = b.seriesV2(f.Bytes)
		}
		if err != nil {
			return fmt.Errorf("cannot parse write.v2.Request: %w", err)
		}
	}
	return nil
}

// metaV2 is a Metadata message before its references are looked up.
type metaV2 struct {
	typ        writev2.Metadata_MetricType
	help, unit uint32
}

func (b *batch) seriesV2(msg []byte) error {
	from, rejected := b.mark(), ""
	var meta metaV2
	b.pairs, b.refs, b.overflow = b.pairs[:0], b.refs[:0], 0
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			b.refs, err = appendRefs(b.refs, f)
		case 2:
			if err = f.Want(wire.Bytes, "samples"); err == nil {
				err = b.sample(f.Bytes)
			}
		case 3:
			if err = f.Want(wire.Bytes, "histograms"); err == nil {
				err = b.histogramV2(f.Bytes)
			}
		case 4:
			if err = f.Want(wire.Bytes, "exemplars"); err == nil {
				err = b.exemplarV2(f.Bytes)
			}
		case 5:
			if err = f.Want(wire.Bytes, "metadata"); err == nil {
				meta, err = metadataV2(f.Bytes)
			}
		}
		if err != nil {
			return fmt.Errorf("timeseries: %w", err)
		}
	}
	b.pairs, rejected = b.lookup(b.pairs[:0], b.refs)
	if rejected != "" {
		n := len(b.samples) - from.samples + len(b.hists) - from.hists + len(b.exemplars) - from.exemplars
		b.outcome.Reject(reasonLabels, rejected, n)
		b.truncate(from)
		return nil
	}
	before := len(b.metrics.Series)
	b.series(from)
	if len(b.metrics.Series) > before {
		b.seriesMetadata(meta)
	}
	return nil
}

// appendRefs reads repeated uint32, packed or one by one.
func appendRefs(refs []uint32, f wire.Field) ([]uint32, error) {
	if f.Type == wire.Varint {
		return append(refs, uint32(f.Bits)), nil
	}
	if err := f.Want(wire.Bytes, "labels_refs"); err != nil {
		return refs, err
	}
	for msg := f.Bytes; len(msg) > 0; {
		v, n := protowire.ConsumeVarint(msg)
		if n < 0 {
			return refs, protowire.ParseError(n)
		}
		refs, msg = append(refs, uint32(v)), msg[n:]
	}
	return refs, nil
}

// lookup appends the labels that refs name. A problem is what makes the series
// unusable.
func (b *batch) lookup(pairs []labels.Label, refs []uint32) (_ []labels.Label, problem string) {
	if len(refs) > 2*hardLabels {
		return pairs, collector.Excess("labels of a series", len(refs)/2, "collector.limits.max_labels", hardLabels)
	}
	if len(refs)%2 != 0 {
		return pairs, fmt.Sprintf("labels_refs has %d entries, want an even number", len(refs))
	}
	for i := 0; i < len(refs); i += 2 {
		name, value := refs[i], refs[i+1]
		if int64(max(name, value)) >= int64(len(b.symbols)) {
			return pairs, fmt.Sprintf("label reference %d is outside of the %d symbols", max(name, value), len(b.symbols))
		}
		pairs = append(pairs, labels.Label{Name: b.symbols[name], Value: b.symbols[value]})
	}
	return pairs, ""
}

func (b *batch) exemplarV2(msg []byte) error {
	if err := b.room(); err != nil {
		return err
	}
	var e telemetry.Exemplar
	var refs [16]uint32
	own, mine := len(b.pairs), refs[:0]
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			mine, err = appendRefs(mine, f)
		case 2:
			err = f.Want(wire.Fixed64, "value")
			e.V = float(f.Bits)
		case 3:
			err = f.Want(wire.Varint, "timestamp")
			e.T = int64(f.Bits)
		}
		if err != nil {
			return fmt.Errorf("exemplar: %w", err)
		}
	}
	pairs, problem := b.lookup(b.pairs, mine)
	b.pairs = pairs
	if problem != "" {
		b.pairs = b.pairs[:own]
		b.outcome.Reject(reasonLabels, "exemplar: "+problem, 1)
		return nil
	}
	b.exemplar(e, own)
	return nil
}

func (b *batch) histogramV2(msg []byte) error {
	if err := b.room(); err != nil {
		return err
	}
	var h writev2.Histogram
	if err := h.Unmarshal(msg); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if h.IsFloatHistogram() {
		b.histogram(h.Timestamp, h.StartTimestamp, nil, h.ToFloatHistogram())
	} else {
		b.histogram(h.Timestamp, h.StartTimestamp, h.ToIntHistogram(), nil)
	}
	return nil
}

func metadataV2(msg []byte) (m metaV2, err error) {
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return m, err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Varint, "type")
			m.typ = writev2.Metadata_MetricType(f.Bits)
		case 3:
			err = f.Want(wire.Varint, "help_ref")
			m.help = uint32(f.Bits)
		case 4:
			err = f.Want(wire.Varint, "unit_ref")
			m.unit = uint32(f.Bits)
		}
		if err != nil {
			return m, fmt.Errorf("metadata: %w", err)
		}
	}
	return m, nil
}

var typesV2 = map[writev2.Metadata_MetricType]string{
	writev2.Metadata_METRIC_TYPE_COUNTER:        "counter",
	writev2.Metadata_METRIC_TYPE_GAUGE:          "gauge",
	writev2.Metadata_METRIC_TYPE_HISTOGRAM:      "histogram",
	writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM: "gaugehistogram",
	writev2.Metadata_METRIC_TYPE_SUMMARY:        "summary",
	writev2.Metadata_METRIC_TYPE_INFO:           "info",
	writev2.Metadata_METRIC_TYPE_STATESET:       "stateset",
}

// seriesMetadata adds what the series at hand says about its metric, once per
// metric name and request.
func (b *batch) seriesMetadata(m metaV2) {
	if m == (metaV2{}) {
		return
	}
	name := uint32(0)
	for i, p := range b.pairs {
		if p.Name == labels.MetricName {
			name = b.refs[2*i+1]
		}
	}
	if _, known := b.seen[name]; known {
		return
	}
	b.seen[name] = struct{}{}
	if int64(max(m.help, m.unit)) >= int64(len(b.symbols)) {
		b.outcome.Reject(reasonMetadata, fmt.Sprintf("metadata of %s refers to symbol %d of %d", collector.Quote(b.symbols[name]), max(m.help, m.unit), len(b.symbols)), 1)
		return
	}
	typ := typesV2[m.typ]
	if typ == "" {
		typ = "unknown"
	}
	b.metadata(telemetry.MetricMetadata{
		Metric: strings.Clone(family(b.symbols[name], typ)), Type: typ,
		Unit: strings.Clone(b.symbols[m.unit]), Help: strings.Clone(b.symbols[m.help]),
	})
}

// metadata adds m; help that is too long is cut, since it is only text.
func (b *batch) metadata(m telemetry.MetricMetadata) {
	if !utf8.ValidString(m.Metric) || !utf8.ValidString(m.Unit) || !utf8.ValidString(m.Help) {
		b.outcome.Reject(reasonMetadata, "metadata of "+collector.Quote(m.Metric)+" is not valid UTF-8", 1)
		return
	}
	if m.Metric == "" || collector.Exceeds(len(m.Metric), b.limits.MaxLabelValueBytes) || collector.Exceeds(len(m.Unit), b.limits.MaxLabelValueBytes) {
		b.outcome.Reject(reasonMetadata, "metadata of "+collector.Quote(m.Metric)+": its name or unit is empty or exceeds collector.limits.max_label_value_bytes", 1)
		return
	}
	if collector.Exceeds(len(m.Help), b.limits.MaxLabelValueBytes) {
		m.Help = strings.ToValidUTF8(m.Help[:b.limits.MaxLabelValueBytes], "")
	}
	b.metrics.Metadata = append(b.metrics.Metadata, m)
}
