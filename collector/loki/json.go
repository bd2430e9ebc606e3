package loki

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// decodeJSON reads {"streams":[…]} in the present form, {"stream":{…},
// "values":[[ns, line, {…}]]}, and in that of /api/prom/push, {"labels":"{…}",
// "entries":[{"ts", "line", "structuredMetadata"}]}. Which one it is shows in
// each stream.
func (p *push) decodeJSON(body []byte) error {
	it := jsoniter.ParseBytes(jsoniter.ConfigDefault, body)
	found := false
	it.ReadObjectCB(func(it *jsoniter.Iterator, key string) bool {
		if key != "streams" {
			it.Skip()
			return it.Error == nil
		}
		found = true
		return it.ReadArrayCB(p.jsonStream)
	})
	if it.Error != nil {
		return it.Error
	}
	if it.WhatIsNext(); !errors.Is(it.Error, io.EOF) {
		return fmt.Errorf("there is more after the JSON object")
	}
	if !found {
		return fmt.Errorf(`the JSON object has no "streams"`)
	}
	return nil
}

func (p *push) jsonStream(it *jsoniter.Iterator) bool {
	var ls labels.Labels
	bad := problem{reasonMissingLabels, "error at least one label pair is required per stream"}
	var records []telemetry.LogRecord
	it.ReadObjectCB(func(it *jsoniter.Iterator, key string) bool {
		switch key {
		case "stream":
			ls, bad = p.jsonLabels(it)
		case "labels":
			ls, bad = p.parsedLabels(it.ReadString())
		case "values", "entries":
			one := p.jsonValue
			if key == "entries" {
				one = p.jsonEntry
			}
			return it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
				if err := p.begin(); err != nil {
					it.Error = err
					return false
				}
				records = append(records, one(it))
				return it.Error == nil
			})
		default:
			it.Skip()
		}
		return it.Error == nil
	})
	if it.Error == nil {
		p.add(ls, bad, records)
	}
	return it.Error == nil
}

func (p *push) jsonLabels(it *jsoniter.Iterator) (labels.Labels, problem) {
	b := labels.NewScratchBuilder(8)
	var bad problem
	size := 0
	it.ReadMapCB(func(it *jsoniter.Iterator, name string) bool {
		value := it.ReadString()
		size += len(name) + len(value)
		switch {
		case size > 1<<20:
			bad = problem{reasonValueTooLong, fmt.Sprintf("labels of a stream: %d bytes exceed 1 MiB", size)}
		case !model.LabelName(name).IsValidLegacy():
			bad = problem{reasonInvalidLabels, "label name " + collector.Quote(name) + " is not valid: use letters, digits and underscores"}
		case value != "":
			b.Add(name, value)
		}
		return it.Error == nil
	})
	if !bad.ok() {
		return labels.EmptyLabels(), bad
	}
	b.Sort()
	return p.streamLabels(b.Labels())
}

// jsonValue reads [ns, line] or [ns, line, metadata].
func (p *push) jsonValue(it *jsoniter.Iterator) (r telemetry.LogRecord) {
	i := 0
	it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
		switch i++; i {
		case 1:
			text := it.ReadString()
			ns, err := strconv.ParseInt(text, 10, 64)
			if err != nil && it.Error == nil {
				it.ReportError("timestamp", "want nanoseconds in a string, got "+collector.Quote(text))
			}
			r.Time = ns
		case 2:
			r.Line = it.ReadString()
		case 3:
			r.Metadata = p.jsonMetadata(it)
		default:
			it.ReportError("values", "an entry has more than three elements")
		}
		return it.Error == nil
	})
	if i < 2 && it.Error == nil {
		it.ReportError("values", "an entry needs a timestamp and a line")
	}
	return r
}

// jsonEntry reads {"ts", "line", "structuredMetadata"}.
func (p *push) jsonEntry(it *jsoniter.Iterator) (r telemetry.LogRecord) {
	it.ReadObjectCB(func(it *jsoniter.Iterator, key string) bool {
		switch key {
		case "ts":
			text := it.ReadString()
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil && it.Error == nil {
				it.ReportError("ts", "want a time as in RFC 3339, got "+collector.Quote(text))
			}
			if r.Time = t.UnixNano(); t.Year() > 2261 || t.Year() < 1678 {
				r.Time = math.MinInt64 // nanoseconds do not reach it: the sink refuses it by its age
			}
		case "line":
			r.Line = it.ReadString()
		case "structuredMetadata":
			r.Metadata = p.jsonMetadata(it)
		default:
			it.Skip()
		}
		return it.Error == nil
	})
	return r
}

func (p *push) jsonMetadata(it *jsoniter.Iterator) (out []telemetry.Attribute) {
	it.ReadMapCB(func(it *jsoniter.Iterator, name string) bool {
		value := it.ReadString()
		if len(out) <= maxPairs {
			out = append(out, telemetry.Attribute{Key: name, Value: telemetry.StringValue(value)})
		}
		return it.Error == nil
	})
	return out
}
