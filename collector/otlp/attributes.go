package otlp

import (
	"encoding/base64"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// Reasons of rejections.
const (
	reasonAttributes  = "too_many_attributes"
	reasonTooLong     = "attribute_too_long"
	reasonUTF8        = "invalid_utf8"
	reasonLineTooLong = "line_too_long"
	reasonIDs         = "invalid_ids"
	reasonEvents      = "too_many_events"
	reasonHistogram   = "invalid_histogram"
	reasonTemporality = "unsupported_temporality"
	reasonName        = "invalid_name"
	reasonLabels      = "too_many_labels"
	reasonOutOfOrder  = "delta_out_of_order"
	reasonDeltaFull   = "too_many_delta_series"
	reasonTranslation = "not_translatable"
	reasonEmpty       = "empty_metric"
)

// problem is why a record is refused; none has an empty reason.
type problem struct{ reason, detail string }

func (p problem) ok() bool { return p.reason == "" }

// checker holds attributes against limits.
type checker struct {
	maxCount         int
	countOption      string
	maxKey, maxValue int // bytes
	valueOption      string
}

// recordChecker is for the attributes of records, resources and scopes.
func recordChecker(l collector.Limits) checker {
	return checker{l.MaxAttributes, "collector.limits.max_attributes", l.MaxAttributeBytes, l.MaxAttributeBytes, "collector.limits.max_attribute_bytes"}
}

// labelChecker is for attributes that become labels.
func labelChecker(l collector.Limits) checker {
	return checker{l.MaxLabels, "collector.limits.max_labels", l.MaxLabelNameBytes, l.MaxLabelValueBytes, "collector.limits.max_label_value_bytes"}
}

// check says what is wrong with attrs; of names the record in the message.
func (c checker) check(attrs pcommon.Map, of string) (p problem) {
	if collector.Exceeds(attrs.Len(), c.maxCount) {
		return problem{reasonAttributes, collector.Excess("attributes of "+of, attrs.Len(), c.countOption, c.maxCount)}
	}
	attrs.Range(func(k string, v pcommon.Value) bool {
		n := valueBytes(v)
		switch {
		case k == "":
			p = problem{reasonName, "an attribute of " + of + " has no key"}
		case collector.Exceeds(len(k), c.maxKey):
			p = problem{reasonTooLong, collector.Excess("bytes of the attribute key "+collector.Quote(k)+" of "+of, len(k), c.valueOption, c.maxKey)}
		case collector.Exceeds(n, c.maxValue):
			p = problem{reasonTooLong, collector.Excess("bytes of attribute "+collector.Quote(k)+" of "+of, n, c.valueOption, c.maxValue)}
		case !utf8.ValidString(k):
			p = problem{reasonUTF8, "attribute key " + collector.Quote(k) + " of " + of + " is not valid UTF-8"}
		case !validValue(v):
			p = problem{reasonUTF8, "attribute " + collector.Quote(k) + " of " + of + " is not valid UTF-8"}
		}
		return p.ok()
	})
	return p
}

// valueBytes is roughly the size of v as text.
func valueBytes(v pcommon.Value) (n int) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return len(v.Str())
	case pcommon.ValueTypeBytes:
		return v.Bytes().Len() * 4 / 3
	case pcommon.ValueTypeMap:
		v.Map().Range(func(k string, v pcommon.Value) bool { n += len(k) + valueBytes(v) + 6; return true })
	case pcommon.ValueTypeSlice:
		for i := range v.Slice().Len() {
			n += valueBytes(v.Slice().At(i)) + 3
		}
	default:
		n = 8
	}
	return n
}

func validValue(v pcommon.Value) bool {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return utf8.ValidString(v.Str())
	case pcommon.ValueTypeMap:
		ok := true
		v.Map().Range(func(k string, v pcommon.Value) bool { ok = utf8.ValidString(k) && validValue(v); return ok })
		return ok
	case pcommon.ValueTypeSlice:
		for i := range v.Slice().Len() {
			if !validValue(v.Slice().At(i)) {
				return false
			}
		}
	}
	return true
}

// value is v in the vocabulary's types.
func value(v pcommon.Value) telemetry.Value {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return telemetry.IntValue(v.Int())
	case pcommon.ValueTypeDouble:
		return telemetry.FloatValue(v.Double())
	case pcommon.ValueTypeBool:
		return telemetry.BoolValue(v.Bool())
	case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
		return telemetry.JSONValue(v.AsString())
	case pcommon.ValueTypeBytes:
		return telemetry.JSONValue(`"` + base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()) + `"`)
	}
	return telemetry.StringValue(v.Str())
}

// attributes are attrs in the vocabulary's types, in their order; nil for none.
func attributes(attrs pcommon.Map) []telemetry.Attribute {
	if attrs.Len() == 0 {
		return nil
	}
	out := make([]telemetry.Attribute, 0, attrs.Len())
	attrs.Range(func(k string, v pcommon.Value) bool {
		out = append(out, telemetry.Attribute{Key: k, Value: value(v)})
		return true
	})
	return out
}
