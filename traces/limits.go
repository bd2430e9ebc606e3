package traces

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

// Limits bound what a tenant may write. Zero means no limit. A span that
// breaks one is refused whole.
type Limits struct {
	// MaxAge is how far a span's start may lie in the past, MaxAhead how far
	// in the future.
	MaxAge   time.Duration `yaml:"max_age"`
	MaxAhead time.Duration `yaml:"max_ahead"`
	// MaxAttributes is how many attributes a resource, a scope, a span, an
	// event or a link may have.
	MaxAttributes int `yaml:"max_attributes"`
	// MaxKey and MaxValue are lengths of an attribute in bytes; MaxValue also
	// bounds names, status messages and trace states.
	MaxKey   int `yaml:"max_key"`
	MaxValue int `yaml:"max_value"`
	// MaxEvents and MaxLinks are how many a span may have.
	MaxEvents int `yaml:"max_events"`
	MaxLinks  int `yaml:"max_links"`
}

// DefaultLimits are generous: they stop accidents, not use.
func DefaultLimits() Limits {
	return Limits{
		MaxAge: 30 * 24 * time.Hour, MaxAhead: 10 * time.Minute,
		MaxAttributes: 512, MaxKey: 1024, MaxValue: 256 << 10,
		MaxEvents: 2048, MaxLinks: 2048,
	}
}

// Validate reports every value that can't work.
func (l Limits) Validate() error {
	var errs []error
	for _, v := range []struct {
		knob  string
		value int64
	}{
		{"max_age", int64(l.MaxAge)}, {"max_ahead", int64(l.MaxAhead)}, {"max_attributes", int64(l.MaxAttributes)},
		{"max_key", int64(l.MaxKey)}, {"max_value", int64(l.MaxValue)}, {"max_events", int64(l.MaxEvents)}, {"max_links", int64(l.MaxLinks)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("traces.limits.%s is %d: want 0 (no limit) or more", v.knob, v.value))
		}
	}
	return errors.Join(errs...)
}

// The reasons for which spans are refused, as in telemetry.Rejection.
const (
	reasonTraceID    = "invalid_trace_id"
	reasonSpanID     = "invalid_span_id"
	reasonDuration   = "invalid_duration"
	reasonTooOld     = "too_old"
	reasonTooAhead   = "too_far_in_future"
	reasonAttributes = "too_many_attributes"
	reasonKey        = "attribute_key_too_long"
	reasonValue      = "value_too_long"
	reasonEvents     = "too_many_events"
	reasonLinks      = "too_many_links"
)

// refusal is why a span is refused for good.
type refusal struct{ reason, detail string }

func refuse(reason, format string, args ...any) *refusal {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// checker holds spans against a tenant's limits at one moment.
type checker struct {
	Limits
	now int64 // Unix nanoseconds
}

// span checks all of s but its resource, which many spans share.
func (c *checker) span(s *telemetry.Span) *refusal {
	switch {
	case s.TraceID.IsZero():
		return refuse(reasonTraceID, "span %q of trace id zero: a trace id must not be all zeros", shorten(s.Name))
	case s.SpanID.IsZero():
		return refuse(reasonSpanID, "span %q has the span id zero: a span id must not be all zeros", shorten(s.Name))
	case s.Duration < 0:
		return refuse(reasonDuration, "span %q ends %d ns before it starts", shorten(s.Name), -s.Duration)
	case c.MaxAge > 0 && s.Start < c.now-int64(c.MaxAge):
		return refuse(reasonTooOld, "span %q started at %s, longer ago than the limit of %s: raise traces.limits.max_age, or send it sooner", shorten(s.Name), instant(s.Start), c.MaxAge)
	case c.MaxAhead > 0 && s.Start > c.now+int64(c.MaxAhead):
		return refuse(reasonTooAhead, "span %q starts at %s, further in the future than the limit of %s: correct the sender's clock, or raise traces.limits.max_ahead", shorten(s.Name), instant(s.Start), c.MaxAhead)
	case c.MaxEvents > 0 && len(s.Events) > c.MaxEvents:
		return refuse(reasonEvents, "span %q has %d events, the limit is %d: raise traces.limits.max_events, or limit them in the SDK", shorten(s.Name), len(s.Events), c.MaxEvents)
	case c.MaxLinks > 0 && len(s.Links) > c.MaxLinks:
		return refuse(reasonLinks, "span %q has %d links, the limit is %d: raise traces.limits.max_links, or limit them in the SDK", shorten(s.Name), len(s.Links), c.MaxLinks)
	}
	if r := c.texts(s.Name, s.StatusMessage, s.TraceState, s.Scope.Name, s.Scope.Version); r != nil {
		return r
	}
	if r := c.attributes("scope", s.Scope.Attributes); r != nil {
		return r
	}
	if r := c.attributes("span", s.Attributes); r != nil {
		return r
	}
	for i := range s.Events {
		if r := c.texts(s.Events[i].Name); r != nil {
			return r
		}
		if r := c.attributes("event", s.Events[i].Attributes); r != nil {
			return r
		}
	}
	for i := range s.Links {
		if r := c.texts(s.Links[i].TraceState); r != nil {
			return r
		}
		if r := c.attributes("link", s.Links[i].Attributes); r != nil {
			return r
		}
	}
	return nil
}

func (c *checker) texts(texts ...string) *refusal {
	for _, s := range texts {
		if c.MaxValue > 0 && len(s) > c.MaxValue {
			return refuse(reasonValue, "a name, status message or trace state of %d bytes (%q) is longer than the limit of %d: raise traces.limits.max_value", len(s), shorten(s), c.MaxValue)
		}
	}
	return nil
}

func (c *checker) attributes(of string, attrs []telemetry.Attribute) *refusal {
	if c.MaxAttributes > 0 && len(attrs) > c.MaxAttributes {
		return refuse(reasonAttributes, "a %s has %d attributes, the limit is %d: raise traces.limits.max_attributes, or limit them in the SDK", of, len(attrs), c.MaxAttributes)
	}
	for i := range attrs {
		if c.MaxKey > 0 && len(attrs[i].Key) > c.MaxKey {
			return refuse(reasonKey, "the %s attribute key %q has %d bytes, the limit is %d: raise traces.limits.max_key", of, shorten(attrs[i].Key), len(attrs[i].Key), c.MaxKey)
		}
		if k := attrs[i].Value.Kind(); c.MaxValue > 0 && (k == telemetry.KindString || k == telemetry.KindJSON) {
			if n := len(attrs[i].Value.String()); n > c.MaxValue {
				return refuse(reasonValue, "the %s attribute %q has a value of %d bytes, the limit is %d: raise traces.limits.max_value, or limit it in the SDK", of, shorten(attrs[i].Key), n, c.MaxValue)
			}
		}
	}
	return nil
}

func instant(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }

// shorten cuts a text for a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
