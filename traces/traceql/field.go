package traceql

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Scope is where an attribute stands.
type Scope uint8

// The scopes. ScopeAny is an attribute without one: the span's, or else the
// resource's. ScopeIntrinsic is not an attribute but part of a span or trace.
const (
	ScopeAny Scope = iota
	ScopeSpan
	ScopeResource
	ScopeEvent
	ScopeLink
	ScopeInstrumentation
	ScopeIntrinsic
)

var scopeNames = [...]string{"", "span", "resource", "event", "link", "instrumentation", "intrinsic"}

func (s Scope) String() string { return scopeNames[s] }

var scopes = map[string]Scope{
	"span": ScopeSpan, "resource": ScopeResource, "event": ScopeEvent, "link": ScopeLink, "instrumentation": ScopeInstrumentation,
}

// Field names a value of a span: an attribute, or an intrinsic, whose Name is
// one of the Intrinsic constants.
type Field struct {
	Scope  Scope
	Name   string
	Parent bool // of the parent span instead
}

// The intrinsics. A shorter name of some is another spelling.
const (
	SpanDuration      = "duration"
	SpanName          = "name"
	SpanStatus        = "status"
	SpanStatusMessage = "statusMessage"
	SpanKind          = "kind"
	SpanID            = "span:id"
	SpanParentID      = "span:parentID"
	SpanChildCount    = "span:childCount"
	TraceID           = "trace:id"
	TraceDuration     = "traceDuration"
	RootName          = "rootName"
	RootService       = "rootServiceName"
	EventName         = "event:name"
	EventSinceStart   = "event:timeSinceStart"
	LinkTraceID       = "link:traceID"
	LinkSpanID        = "link:spanID"
	ScopeName         = "instrumentation:name"
	ScopeVersion      = "instrumentation:version"
	NestedSetLeft     = "nestedSetLeft"
	NestedSetRight    = "nestedSetRight"
	NestedSetParent   = "nestedSetParent"
)

var intrinsicTypes = map[string]Type{
	SpanDuration: TypeDuration, SpanName: TypeString, SpanStatus: TypeStatus, SpanStatusMessage: TypeString, SpanKind: TypeKind,
	SpanID: TypeString, SpanParentID: TypeString, SpanChildCount: TypeInt,
	TraceID: TypeString, TraceDuration: TypeDuration, RootName: TypeString, RootService: TypeString,
	EventName: TypeString, EventSinceStart: TypeDuration, LinkTraceID: TypeString, LinkSpanID: TypeString,
	ScopeName: TypeString, ScopeVersion: TypeString,
	NestedSetLeft: TypeInt, NestedSetRight: TypeInt, NestedSetParent: TypeInt,
}

// spellings are other names of intrinsics.
var spellings = map[string]string{
	"span:duration": SpanDuration, "span:name": SpanName, "span:status": SpanStatus, "span:statusMessage": SpanStatusMessage,
	"span:kind": SpanKind, "childCount": SpanChildCount,
	"trace:duration": TraceDuration, "trace:rootName": RootName, "trace:rootService": RootService,
}

func intrinsic(word string) (Field, bool) {
	if s, ok := spellings[word]; ok {
		word = s
	}
	_, ok := intrinsicTypes[word]
	return Field{Scope: ScopeIntrinsic, Name: word}, ok
}

// Intrinsics are the names of all intrinsics in all spellings, sorted.
func Intrinsics() []string {
	var out []string
	for name := range intrinsicTypes {
		out = append(out, name)
	}
	for name := range spellings {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ParseField reads the name of one field, as in a tag's address: span.a,
// .service.name, status, trace:rootName.
func ParseField(name string) (Field, error) {
	tokens, err := lex(name)
	if err != nil {
		return Field{}, err
	}
	if len(tokens) == 2 {
		switch t := tokens[0]; t.kind {
		case tokenAttribute:
			return t.field, nil
		case tokenWord:
			if f, ok := intrinsic(t.text); ok {
				return f, nil
			}
		}
	}
	return Field{}, errorAt(name, 0, "%q is no field: want an intrinsic, or an attribute such as span.name or .name", name)
}

// Type is the type of the field's values.
func (f Field) Type() Type {
	if f.Scope == ScopeIntrinsic {
		return intrinsicTypes[f.Name]
	}
	if f.Scope == ScopeAny && f.Name == "" {
		return TypeNil
	}
	return TypeUnknown
}

// Multiple reports whether a span has a value for each of its events or links.
func (f Field) Multiple() bool {
	return f.Scope == ScopeEvent || f.Scope == ScopeLink ||
		f.Scope == ScopeIntrinsic && (strings.HasPrefix(f.Name, "event:") || strings.HasPrefix(f.Name, "link:"))
}

// String is the field as it is written in a query.
func (f Field) String() string {
	if f.Scope == ScopeIntrinsic {
		return f.Name
	}
	name := f.Name
	if !plainName(name) || f.Parent && f.Scope == ScopeAny && (strings.HasPrefix(name, "span.") || strings.HasPrefix(name, "resource.")) {
		name = strconv.Quote(name)
	}
	switch {
	case f.Parent && f.Scope == ScopeAny:
		return "parent." + name
	case f.Parent:
		return "parent." + f.Scope.String() + "." + name
	}
	return f.Scope.String() + "." + name
}

// plainName reports whether an attribute's name needs no quotes.
func plainName(name string) bool {
	for i, r := range name {
		switch {
		case unicode.IsLetter(r) || r == '_':
		case i > 0 && (unicode.IsDigit(r) || strings.ContainsRune(".-/:*+%", r)):
		default:
			return false
		}
	}
	return name != ""
}
