package telemetry

import (
	"math"
	"strconv"
)

// Kind is the type of a Value.
type Kind uint8

// The kinds of OpenTelemetry's AnyValue. Arrays, maps and bytes are kept as
// their JSON text.
const (
	KindString Kind = iota
	KindInt
	KindFloat
	KindBool
	KindJSON
)

// Value is an attribute's value; the zero Value is the empty string.
type Value struct {
	s    string
	n    uint64
	kind Kind
}

// StringValue, IntValue, FloatValue, BoolValue and JSONValue make Values.
func StringValue(s string) Value  { return Value{s: s} }
func IntValue(i int64) Value      { return Value{kind: KindInt, n: uint64(i)} }
func FloatValue(f float64) Value  { return Value{kind: KindFloat, n: math.Float64bits(f)} }
func JSONValue(text string) Value { return Value{kind: KindJSON, s: text} }
func BoolValue(b bool) (v Value) {
	v.kind = KindBool
	if b {
		v.n = 1
	}
	return v
}

// Kind returns the value's type.
func (v Value) Kind() Kind { return v.kind }

// Int is the value of KindInt.
func (v Value) Int() int64 { return int64(v.n) }

// Float is the value of KindFloat, or of KindInt as a float.
func (v Value) Float() float64 {
	if v.kind == KindInt {
		return float64(int64(v.n))
	}
	return math.Float64frombits(v.n)
}

// Bool is the value of KindBool.
func (v Value) Bool() bool { return v.n != 0 }

// String is the value as text, whatever its kind.
func (v Value) String() string {
	switch v.kind {
	case KindInt:
		return strconv.FormatInt(int64(v.n), 10)
	case KindFloat:
		return strconv.FormatFloat(math.Float64frombits(v.n), 'g', -1, 64)
	case KindBool:
		return strconv.FormatBool(v.n != 0)
	}
	return v.s
}

// Attribute is a key with its value.
type Attribute struct {
	Key   string
	Value Value
}

// Lookup returns the value of key in attrs.
func Lookup(attrs []Attribute, key string) (Value, bool) {
	for i := range attrs {
		if attrs[i].Key == key {
			return attrs[i].Value, true
		}
	}
	return Value{}, false
}
