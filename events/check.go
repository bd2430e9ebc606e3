package events

import (
	"fmt"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

// The reasons for which records are refused, as in telemetry.Rejection.
const (
	reasonTooOld     = "too_old"
	reasonTooAhead   = "too_far_in_future"
	reasonText       = "text_too_long"
	reasonObject     = "object_too_long"
	reasonAttributes = "too_many_attributes"
	reasonSource     = "missing_source"
	reasonEntity     = "missing_entity"
	reasonKind       = "missing_kind"
)

// refusal is why a record is refused for good.
type refusal struct{ reason, detail string }

func refuse(reason, format string, args ...any) *refusal {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// checker holds records against a tenant's limits at one moment.
type checker struct {
	Limits
	now int64 // Unix nanoseconds
}

func (c *checker) time(what string, t int64) *refusal {
	at := time.Unix(0, t).UTC().Format(time.RFC3339)
	switch {
	case c.MaxAge > 0 && t < c.now-int64(c.MaxAge):
		return refuse(reasonTooOld, "%s of %s is older than the limit of %s: raise events.limits.max_age, or send it sooner", what, at, c.MaxAge)
	case c.MaxAhead > 0 && t > c.now+int64(c.MaxAhead):
		return refuse(reasonTooAhead, "%s of %s is further in the future than the limit of %s: correct the sender's clock, or raise events.limits.max_ahead", what, at, c.MaxAhead)
	}
	return nil
}

func (c *checker) texts(texts ...string) *refusal {
	for _, s := range texts {
		if c.MaxText > 0 && len(s) > c.MaxText {
			return refuse(reasonText, "a text of %d bytes (%.40q...) is longer than the limit of %d: raise events.limits.max_text", len(s), s, c.MaxText)
		}
	}
	return nil
}

func (c *checker) objects(objects ...string) *refusal {
	for _, s := range objects {
		if c.MaxObject > 0 && len(s) > c.MaxObject {
			return refuse(reasonObject, "an object of %d bytes is longer than the limit of %d: raise events.limits.max_object", len(s), c.MaxObject)
		}
	}
	return nil
}

func (c *checker) entity(e *telemetry.EntityRef) *refusal {
	return c.texts(e.Kind, e.Cluster, e.Namespace, e.Name, e.UID)
}

// change checks a change, or an event as a change of no kind.
func (c *checker) change(e *telemetry.Change) *refusal {
	if e.Source == "" {
		return refuse(reasonSource, "event %.40q names no source", e.Message)
	}
	if r := c.time("event", e.Time); r != nil {
		return r
	}
	if r := c.entity(&e.Entity); r != nil {
		return r
	}
	if c.MaxAttributes > 0 && len(e.Attrs) > c.MaxAttributes {
		return refuse(reasonAttributes, "an event has %d attributes, the limit is %d: raise events.limits.max_attributes", len(e.Attrs), c.MaxAttributes)
	}
	for _, a := range e.Attrs {
		if r := c.texts(a.Key, a.Value.String()); r != nil {
			return r
		}
	}
	if r := c.texts(e.Source, e.ID, e.Reason, e.Message, e.Kind, e.Reference, e.Author, e.Title, e.URL); r != nil {
		return r
	}
	return c.objects(e.Before, e.After)
}

func (c *checker) state(s *State) *refusal {
	if s.Entity.Kind == "" || s.Entity.Name == "" {
		return refuse(reasonEntity, "state of kind %q and name %q: both must be set", s.Entity.Kind, s.Entity.Name)
	}
	if r := c.time("state", s.Time); r != nil {
		return r
	}
	if r := c.entity(&s.Entity); r != nil {
		return r
	}
	if r := c.texts(s.Version); r != nil {
		return r
	}
	return c.objects(s.Object)
}
