package syslog

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// message is a message with what names its stream.
type message struct {
	host, service string
	record        telemetry.LogRecord
}

// parse takes what the receiver found in a message. One that it could not
// parse has only its text.
func parse(lr plog.LogRecord, now time.Time) message {
	m := message{record: telemetry.LogRecord{
		Time: int64(lr.Timestamp()), Observed: int64(lr.ObservedTimestamp()), Line: valid(lr.Body().AsString()),
	}}
	r := &m.record
	if n := lr.SeverityNumber(); n > 0 && n <= 24 {
		r.Severity = telemetry.Severity(n)
	}
	if r.Time == 0 {
		r.Time = now.UnixNano()
	}
	lr.Attributes().Range(func(k string, v pcommon.Value) bool {
		switch text := valid(v.AsString()); k {
		case "message":
			r.Line = text
		case "hostname":
			m.host = text
		case "appname":
			m.service = text
		case "structured_data":
			r.Metadata = structured(r.Metadata, v)
		case "priority", "version": // said by severity and facility; always 1
		default:
			r.Metadata = append(r.Metadata, telemetry.Attribute{Key: telemetry.EscapeName(valid(k)), Value: telemetry.StringValue(text)})
		}
		return true
	})
	r.Metadata = collector.SortMetadata(r.Metadata)
	return m
}

// structured flattens RFC 5424's structured data: id and name joined by an
// underscore.
func structured(dst []telemetry.Attribute, v pcommon.Value) []telemetry.Attribute {
	if v.Type() != pcommon.ValueTypeMap {
		return dst
	}
	v.Map().Range(func(id string, params pcommon.Value) bool {
		if params.Type() == pcommon.ValueTypeMap {
			params.Map().Range(func(name string, value pcommon.Value) bool {
				dst = append(dst, telemetry.Attribute{Key: telemetry.EscapeName(valid(id + "_" + name)), Value: telemetry.StringValue(valid(value.AsString()))})
				return true
			})
		}
		return true
	})
	return dst
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// streams groups messages by who sent them.
func (l *Listener) streams(batch []message) (out []telemetry.LogStream) {
	type key struct{ host, service string }
	at := map[key]int{}
	for _, m := range batch {
		k := key{m.host, m.service}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, telemetry.LogStream{Labels: l.labels(m)})
		}
		out[i].Records = append(out[i].Records, m.record)
	}
	return out
}

func (l *Listener) labels(m message) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set("source", "syslog")
	b.Set("host_name", m.host)
	b.Set("service_name", m.service)
	if m.service == "" {
		b.Set("service_name", "unknown_service")
	}
	for k, v := range l.Config.Labels {
		b.Set(k, v)
	}
	return b.Labels()
}
