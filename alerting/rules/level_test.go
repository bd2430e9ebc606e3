package rules

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLevels(t *testing.T) {
	for i, l := range Levels() {
		require.Equal(t, "P"+string(rune('1'+i)), l.Priority())
		got, err := ParseLevel(l.String())
		require.NoError(t, err)
		require.Equal(t, l, got)
		b, err := json.Marshal(l)
		require.NoError(t, err)
		var back Level
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, l, back)
	}
	require.Empty(t, None.Priority())
	_, err := ParseLevel("fatal")
	require.ErrorContains(t, err, `"fatal"`)
}

func TestDefaultSeverities(t *testing.T) {
	m := DefaultSeverities()
	for severity, want := range map[string]Level{
		"critical": Critical, "page": Critical, "Critical": Critical, "error": Major, "major": Major,
		"minor": Minor, "warning": Warning, "info": Warning, "": Warning, "odd": Warning,
	} {
		require.Equal(t, want, m.Level(severity), severity)
	}
}
