package traces

import (
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.Limits.MaxAge, c.Query.MaxSpans, c.Query.Lookback, c.KnownResources = -1, 0, 0, 0
	err := c.Validate()
	for _, knob := range []string{"max_age", "max_spans", "lookback", "known_resources"} {
		if err == nil || !strings.Contains(err.Error(), knob) {
			t.Errorf("%v does not name %s", err, knob)
		}
	}
}
