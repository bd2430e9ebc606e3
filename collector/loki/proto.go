package loki

import (
	"fmt"
	"math"

	"github.com/watchfire/watchfire/collector/internal/wire"
	"github.com/watchfire/watchfire/telemetry"
)

// decodeProto reads a logproto.PushRequest (loki/pkg/push/push.proto). Its
// strings lie in body, which must not change any more.
func (p *push) decodeProto(body []byte) error {
	for len(body) > 0 {
		f, rest, err := wire.Next(body)
		if err != nil {
			return err
		}
		body = rest
		if f.Num != 1 {
			continue
		}
		if err := f.Want(wire.Bytes, "streams"); err != nil {
			return err
		}
		if err := p.stream(f.Bytes); err != nil {
			return fmt.Errorf("stream: %w", err)
		}
	}
	return nil
}

func (p *push) stream(msg []byte) error {
	labels := ""
	var records []telemetry.LogRecord
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Bytes, "labels")
			labels = wire.String(f.Bytes)
		case 2:
			if err = f.Want(wire.Bytes, "entries"); err == nil {
				records, err = p.entry(records, f.Bytes)
			}
		}
		if err != nil {
			return err
		}
	}
	ls, bad := p.parsedLabels(labels)
	p.add(ls, bad, records)
	return nil
}

func (p *push) entry(records []telemetry.LogRecord, msg []byte) ([]telemetry.LogRecord, error) {
	if err := p.begin(); err != nil {
		return records, err
	}
	var r telemetry.LogRecord
	metadata := 0
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return records, fmt.Errorf("entry: %w", err)
		}
		msg = rest
		switch f.Num {
		case 1:
			if err = f.Want(wire.Bytes, "timestamp"); err == nil {
				r.Time, err = timestamp(f.Bytes)
			}
		case 2:
			err = f.Want(wire.Bytes, "line")
			r.Line = wire.String(f.Bytes)
		case 3:
			if err = f.Want(wire.Bytes, "structuredMetadata"); err == nil {
				metadata++
				r.Metadata, err = pair(r.Metadata, f.Bytes, metadata > maxPairs)
			}
		}
		if err != nil {
			return records, fmt.Errorf("entry: %w", err)
		}
	}
	return append(records, r), nil
}

// maxPairs bounds the metadata of one line whatever the limits say; what is
// beyond is over any sensible limit and only counted by the first of it.
const maxPairs = 8 << 10

func pair(dst []telemetry.Attribute, msg []byte, skip bool) ([]telemetry.Attribute, error) {
	var name, value string
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return dst, err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Bytes, "name")
			name = wire.String(f.Bytes)
		case 2:
			err = f.Want(wire.Bytes, "value")
			value = wire.String(f.Bytes)
		}
		if err != nil {
			return dst, err
		}
	}
	if skip {
		return dst, nil
	}
	return append(dst, telemetry.Attribute{Key: name, Value: telemetry.StringValue(value)}), nil
}

// timestamp reads a google.protobuf.Timestamp as Unix nanoseconds.
func timestamp(msg []byte) (int64, error) {
	var seconds, nanos int64
	for len(msg) > 0 {
		f, rest, err := wire.Next(msg)
		if err != nil {
			return 0, err
		}
		msg = rest
		switch f.Num {
		case 1:
			err = f.Want(wire.Varint, "seconds")
			seconds = int64(f.Bits)
		case 2:
			err = f.Want(wire.Varint, "nanos")
			nanos = int64(int32(f.Bits))
		}
		if err != nil {
			return 0, err
		}
	}
	// What nanoseconds do not reach is clamped: the sink refuses it by its age.
	const most = math.MaxInt64/1_000_000_000 - 1
	switch {
	case seconds > most:
		return math.MaxInt64, nil
	case seconds < -most:
		return math.MinInt64, nil
	}
	return seconds*1e9 + nanos, nil
}
