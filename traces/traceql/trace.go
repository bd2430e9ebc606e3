package traceql

import (
	"encoding/hex"
	"math"

	"github.com/watchfire/watchfire/telemetry"
)

// Trace is the spans of one trace with how they belong together.
type Trace struct {
	Spans    []telemetry.Span
	Start    int64 // Unix nanoseconds of the first start
	Duration int64 // nanoseconds from the first start to the last end
	Root     int   // index of the root span, -1 = none

	parent    []int // index of each span's parent, -1 = none
	children  []int // how many each span has
	nested    []nestedSet
	nestedSet bool
}

// nestedSet numbers a span in the order of entering and leaving the tree.
type nestedSet struct{ left, right, parent int64 }

// NewTrace links the spans of one trace. Of spans with no parent the one that
// starts first is the root; when there is none, nothing is.
func NewTrace(spans []telemetry.Span) *Trace {
	t := &Trace{Spans: spans, Root: -1, parent: make([]int, len(spans)), children: make([]int, len(spans))}
	byID := make(map[telemetry.SpanID]int, len(spans))
	start, end := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range spans {
		if _, ok := byID[spans[i].SpanID]; !ok || spans[i].Kind == telemetry.SpanKindServer {
			byID[spans[i].SpanID] = i // of a client and a server that share an id, children belong to the server
		}
		start, end = min(start, spans[i].Start), max(end, spans[i].Start+spans[i].Duration)
	}
	if len(spans) > 0 {
		t.Start, t.Duration = start, end-start
	}
	for i := range spans {
		t.parent[i] = -1
		if spans[i].ParentID.IsZero() {
			if t.Root < 0 || spans[i].Start < spans[t.Root].Start {
				t.Root = i
			}
			continue
		}
		if p, ok := byID[spans[i].ParentID]; ok && p != i {
			t.parent[i] = p
			t.children[p]++
		}
	}
	return t
}

// Parent is the index of a span's parent, -1 when it has none in the trace.
func (t *Trace) Parent(i int) int { return t.parent[i] }

// number returns the nested sets: a root's parent is -1, that of a span whose
// parent is not there is 0.
func (t *Trace) number() []nestedSet {
	if t.nestedSet {
		return t.nested
	}
	t.nestedSet, t.nested = true, make([]nestedSet, len(t.Spans))
	below := make([][]int, len(t.Spans))
	var tops []int
	for i, p := range t.parent {
		if p < 0 {
			tops = append(tops, i)
		} else {
			below[p] = append(below[p], i)
		}
	}
	next := int64(1)
	type visit struct {
		span  int
		leave bool
	}
	for _, top := range tops {
		stack := []visit{{top, false}}
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if v.leave {
				t.nested[v.span].right = next
				next++
				continue
			}
			n := &t.nested[v.span]
			n.left = next
			next++
			switch p := t.parent[v.span]; {
			case p >= 0:
				n.parent = t.nested[p].left
			case t.Spans[v.span].ParentID.IsZero():
				n.parent = -1
			}
			stack = append(stack, visit{v.span, true})
			for j := len(below[v.span]) - 1; j >= 0; j-- {
				stack = append(stack, visit{below[v.span][j], false})
			}
		}
	}
	return t.nested
}

// Values are the values of a field of a span: none when it is missing, several
// for fields of events and links.
func (t *Trace) Values(i int, f Field) []Value {
	if f.Parent {
		if i = t.parent[i]; i < 0 {
			return nil
		}
	}
	s := &t.Spans[i]
	switch f.Scope {
	case ScopeSpan:
		return lookup(s.Attributes, f.Name)
	case ScopeResource:
		return lookup(s.Resource, f.Name)
	case ScopeInstrumentation:
		return lookup(s.Scope.Attributes, f.Name)
	case ScopeAny:
		if v := lookup(s.Attributes, f.Name); v != nil {
			return v
		}
		return lookup(s.Resource, f.Name)
	case ScopeEvent:
		var out []Value
		for j := range s.Events {
			out = append(out, lookup(s.Events[j].Attributes, f.Name)...)
		}
		return out
	case ScopeLink:
		var out []Value
		for j := range s.Links {
			out = append(out, lookup(s.Links[j].Attributes, f.Name)...)
		}
		return out
	}
	return t.intrinsic(i, f.Name)
}

func lookup(attrs []telemetry.Attribute, key string) []Value {
	if v, ok := telemetry.Lookup(attrs, key); ok {
		return []Value{attributeValue(v)}
	}
	return nil
}

func (t *Trace) intrinsic(i int, name string) []Value {
	s := &t.Spans[i]
	one := func(v Value) []Value { return []Value{v} }
	switch name {
	case SpanDuration:
		return one(DurationValue(s.Duration))
	case SpanName:
		return one(StringValue(s.Name))
	case SpanStatus:
		return one(StatusValue(s.Status))
	case SpanStatusMessage:
		return one(StringValue(s.StatusMessage))
	case SpanKind:
		return one(SpanKindValue(s.Kind))
	case SpanID:
		return one(StringValue(hex.EncodeToString(s.SpanID[:])))
	case SpanParentID:
		if s.ParentID.IsZero() {
			return nil
		}
		return one(StringValue(hex.EncodeToString(s.ParentID[:])))
	case SpanChildCount:
		return one(IntValue(int64(t.children[i])))
	case TraceID:
		return one(StringValue(hex.EncodeToString(s.TraceID[:])))
	case TraceDuration:
		return one(DurationValue(t.Duration))
	case RootName:
		if t.Root < 0 {
			return nil
		}
		return one(StringValue(t.Spans[t.Root].Name))
	case RootService:
		if service := t.RootService(); service != "" {
			return one(StringValue(service))
		}
		return nil
	case ScopeName:
		return one(StringValue(s.Scope.Name))
	case ScopeVersion:
		return one(StringValue(s.Scope.Version))
	case NestedSetLeft:
		return one(IntValue(t.number()[i].left))
	case NestedSetRight:
		return one(IntValue(t.number()[i].right))
	case NestedSetParent:
		return one(IntValue(t.number()[i].parent))
	}
	return t.eventsAndLinks(s, name)
}

func (t *Trace) eventsAndLinks(s *telemetry.Span, name string) (out []Value) {
	switch name {
	case EventName:
		for j := range s.Events {
			out = append(out, StringValue(s.Events[j].Name))
		}
	case EventSinceStart:
		for j := range s.Events {
			out = append(out, DurationValue(s.Events[j].Time-s.Start))
		}
	case LinkTraceID:
		for j := range s.Links {
			out = append(out, StringValue(hex.EncodeToString(s.Links[j].TraceID[:])))
		}
	case LinkSpanID:
		for j := range s.Links {
			out = append(out, StringValue(hex.EncodeToString(s.Links[j].SpanID[:])))
		}
	}
	return out
}

// RootName is the name of the root span, empty when there is none.
func (t *Trace) RootName() string {
	if t.Root < 0 {
		return ""
	}
	return t.Spans[t.Root].Name
}

// RootService is the root span's service.name, empty when there is none.
func (t *Trace) RootService() string {
	if t.Root < 0 {
		return ""
	}
	v, _ := telemetry.Lookup(t.Spans[t.Root].Resource, "service.name")
	return v.String()
}
