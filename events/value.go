package events

import (
	"strconv"

	"github.com/watchfire/watchfire/telemetry"
)

// storedValue reads a value from its kind and text.
func storedValue(kind telemetry.Kind, text string) telemetry.Value {
	switch kind {
	case telemetry.KindInt:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return telemetry.IntValue(n)
		}
	case telemetry.KindFloat:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return telemetry.FloatValue(f)
		}
	case telemetry.KindBool:
		return telemetry.BoolValue(text == "true")
	case telemetry.KindJSON:
		return telemetry.JSONValue(text)
	}
	return telemetry.StringValue(text)
}
