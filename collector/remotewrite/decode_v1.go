package remotewrite

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/watchfire/watchfire/collector/internal/wire"
	"github.com/watchfire/watchfire/telemetry"
)

// decodeV1 reads a prometheus.WriteRequest (prompb/remote.proto). body must
// stay unchanged until the batch is released.
func (b *batch) decodeV1(body []byte) error {
	for len(body) > 0 {
		f, rest, err := wire.Next(body)
		if err != nil {
			return fmt.Errorf("cannot parse WriteRequest: %w", err)
		}
		body = rest
		switch f.Num {
		case 1:
			if err = f.Want(wire.Bytes, "timeseries"); err == nil {
				err = b.seriesV1(f.Bytes)
			}
		case 3:
			if err = f.Want(wire.Bytes, "metadata"); err == nil {
				err = b.metadataV1(f.Bytes)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot parse WriteRequest: %w", err)
		}
	}
	return nil
}

func (b *batch) seriesV1(msg []byte) error {
	from := b.mark()
	b.pairs, b.overflow = b.pairs[:0], 0
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			if err = f.Want(wire.Bytes, "labels"); err == nil {
				err = b.labelV1(f.Bytes)
			}
		case 2:
			if err = f.Want(wire.Bytes, "samples"); err == nil {
				err = b.sample(f.Bytes)
			}
		case 3:
			if err = f.Want(wire.Bytes, "exemplars"); err == nil {
				err = b.exemplarV1(f.Bytes)
			}
		case 4:
			if err = f.Want(wire.Bytes, "histograms"); err == nil {
				err = b.histogramV1(f.Bytes)
			}
		}
		if err != nil {
			return fmt.Errorf("timeseries: %w", err)
		}
	}
	b.series(from)
	return nil
}

// shortLabel reads the usual label: name and value in this order, each shorter
// than 128 bytes.
func shortLabel(msg []byte) (l labels.Label, ok bool) {
	if len(msg) < 4 || msg[0] != 0x0a || msg[1] >= 0x80 {
		return l, false
	}
	name := 2 + int(msg[1]) // its end
	if len(msg) < name+2 || msg[name] != 0x12 || msg[name+1] >= 0x80 || len(msg) != name+2+int(msg[name+1]) {
		return l, false
	}
	return labels.Label{Name: wire.String(msg[2:name]), Value: wire.String(msg[name+2:])}, true
}

func (b *batch) labelV1(msg []byte) error {
	if l, ok := shortLabel(msg); ok && len(b.pairs) < hardLabels {
		b.pairs = append(b.pairs, l)
		return nil
	}
	var l labels.Label
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Bytes, "name")
			l.Name = wire.String(f.Bytes)
		case 2:
			err = f.Want(wire.Bytes, "value")
			l.Value = wire.String(f.Bytes)
		}
		if err != nil {
			return fmt.Errorf("label: %w", err)
		}
	}
	if len(b.pairs) >= hardLabels {
		b.overflow++
		return nil
	}
	b.pairs = append(b.pairs, l)
	return nil
}

// sample reads a Sample of either version; 1.0 has no start timestamp.
func (b *batch) sample(msg []byte) error {
	if err := b.room(); err != nil {
		return err
	}
	var s telemetry.Sample
	if len(msg) > 10 && msg[0] == 0x09 && msg[9] == 0x10 { // the usual order: value, timestamp
		if t, n := protowire.ConsumeVarint(msg[10:]); n == len(msg)-10 {
			s.V, s.T = float(binary.LittleEndian.Uint64(msg[1:])), int64(t)
			b.samples = append(b.samples, s)
			return nil
		}
	}
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Fixed64, "value")
			s.V = float(f.Bits)
		case 2:
			err = f.Want(wire.Varint, "timestamp")
			s.T = int64(f.Bits)
		case 3:
			err = f.Want(wire.Varint, "start_timestamp")
			s.Start = int64(f.Bits)
		}
		if err != nil {
			return fmt.Errorf("sample: %w", err)
		}
	}
	b.samples = append(b.samples, s)
	return nil
}

// exemplarV1 reads an exemplar; its labels are collected behind the series'.
func (b *batch) exemplarV1(msg []byte) error {
	if err := b.room(); err != nil {
		return err
	}
	var e telemetry.Exemplar
	own, before := len(b.pairs), b.overflow
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			if err = f.Want(wire.Bytes, "labels"); err == nil {
				err = b.labelV1(f.Bytes)
			}
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
	b.exemplar(e, own)
	b.overflow = before
	return nil
}

// exemplar adds an exemplar whose labels are b.pairs from own on.
func (b *batch) exemplar(e telemetry.Exemplar, own int) {
	all := b.pairs
	b.pairs = all[own:]
	ls, reason, detail := b.buildLabels(false)
	b.pairs = all[:own]
	if reason != "" {
		b.outcome.Reject(reason, "exemplar: "+detail, 1)
		return
	}
	e.Labels = ls
	b.exemplars = append(b.exemplars, e)
}

// histogramV1 leaves the rarer message to the generated decoder.
func (b *batch) histogramV1(msg []byte) error {
	if err := b.room(); err != nil {
		return err
	}
	var h prompb.Histogram
	if err := h.Unmarshal(msg); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if h.IsFloatHistogram() {
		b.histogram(h.Timestamp, 0, nil, h.ToFloatHistogram())
	} else {
		b.histogram(h.Timestamp, 0, h.ToIntHistogram(), nil)
	}
	return nil
}

func (b *batch) metadataV1(msg []byte) error {
	var m prompb.MetricMetadata
	if err := m.Unmarshal(msg); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	b.metadata(telemetry.MetricMetadata{
		Metric: m.MetricFamilyName, Type: strings.ToLower(m.Type.String()), Unit: m.Unit, Help: m.Help,
	})
	return nil
}
