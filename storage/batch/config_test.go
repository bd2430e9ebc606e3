package batch

import (
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	err := Config{MaxBytes: 2, MaxPendingBytes: 1, Linger: 3, MaxDelay: 2}.Validate()
	for _, knob := range []string{"slots", "max_rows", "max_pending_bytes", "linger", "duty", "insert_timeout", "retry_timeout", "drain_timeout"} {
		if err == nil || !strings.Contains(err.Error(), knob) {
			t.Errorf("nothing about %s in %v", knob, err)
		}
	}
}
