package traceql

import (
	"strconv"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

// Type is the type of a Value, or of an expression.
type Type uint8

// The types. TypeUnknown is an attribute's, which only its span decides;
// values never have it.
const (
	TypeNil Type = iota
	TypeString
	TypeInt
	TypeFloat
	TypeBool
	TypeDuration
	TypeStatus
	TypeKind
	TypeOther // arrays, maps: they exist but compare with nothing
	TypeUnknown
)

var typeNames = [...]string{"nil", "string", "int", "float", "bool", "duration", "status", "kind", "array or map", "attribute"}

func (t Type) String() string { return typeNames[t] }

func (t Type) numeric() bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }

// Value is a value of any type; the zero Value is nil.
type Value struct {
	Type Type
	s    string
	i    int64 // int, bool, duration in nanoseconds, status, kind
	f    float64
}

// These make Values.
func StringValue(s string) Value               { return Value{Type: TypeString, s: s} }
func IntValue(i int64) Value                   { return Value{Type: TypeInt, i: i} }
func FloatValue(f float64) Value               { return Value{Type: TypeFloat, f: f} }
func DurationValue(nanos int64) Value          { return Value{Type: TypeDuration, i: nanos} }
func StatusValue(s telemetry.StatusCode) Value { return Value{Type: TypeStatus, i: int64(s)} }
func SpanKindValue(k telemetry.SpanKind) Value { return Value{Type: TypeKind, i: int64(k)} }
func BoolValue(b bool) Value {
	v := Value{Type: TypeBool}
	if b {
		v.i = 1
	}
	return v
}

// attributeValue is the value of an attribute.
func attributeValue(v telemetry.Value) Value {
	switch v.Kind() {
	case telemetry.KindInt:
		return IntValue(v.Int())
	case telemetry.KindFloat:
		return FloatValue(v.Float())
	case telemetry.KindBool:
		return BoolValue(v.Bool())
	case telemetry.KindJSON:
		return Value{Type: TypeOther, s: v.String()}
	}
	return StringValue(v.String())
}

// Str is the text of a string.
func (v Value) Str() string { return v.s }

// Int is the value of an int, duration (nanoseconds), status, kind or bool.
func (v Value) Int() int64 { return v.i }

// Float is the value of a number.
func (v Value) Float() float64 {
	if v.Type == TypeFloat {
		return v.f
	}
	return float64(v.i)
}

// IsTrue reports whether v is the bool true.
func (v Value) IsTrue() bool { return v.Type == TypeBool && v.i != 0 }

var (
	statusNames = []string{"unset", "ok", "error"}
	kindNames   = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

// Text is the value as it is shown: strings without quotes.
func (v Value) Text() string {
	switch v.Type {
	case TypeString, TypeOther:
		return v.s
	case TypeInt:
		return strconv.FormatInt(v.i, 10)
	case TypeFloat:
		return strconv.FormatFloat(v.f, 'g', -1, 64)
	case TypeBool:
		return strconv.FormatBool(v.i != 0)
	case TypeDuration:
		return time.Duration(v.i).String()
	case TypeStatus:
		return enumName(statusNames, v.i)
	case TypeKind:
		return enumName(kindNames, v.i)
	}
	return "nil"
}

// String is the value as it is written in a query.
func (v Value) String() string {
	switch v.Type {
	case TypeString, TypeOther:
		return strconv.Quote(v.s)
	case TypeFloat:
		s := strconv.FormatFloat(v.f, 'f', -1, 64)
		if _, err := strconv.ParseInt(s, 10, 64); err == nil || !containsDot(s) {
			s += ".0"
		}
		return s
	case TypeDuration:
		return strconv.FormatInt(v.i, 10) + "ns"
	}
	return v.Text()
}

func containsDot(s string) bool {
	for i := range len(s) {
		if s[i] == '.' {
			return true
		}
	}
	return false
}

func enumName(names []string, i int64) string {
	if i >= 0 && i < int64(len(names)) {
		return names[i]
	}
	return strconv.FormatInt(i, 10)
}

// Negative is -v of a number.
func (v Value) Negative() Value {
	v.i, v.f = -v.i, -v.f
	return v
}
