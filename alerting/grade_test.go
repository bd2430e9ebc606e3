package alerting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/rules"
)

func TestGrade(t *testing.T) {
	for name, c := range map[string]struct {
		level   rules.Level
		impact  Impact
		want    rules.Level
		reasons int
	}{
		"nothing known":     {rules.Minor, Impact{}, rules.Minor, 0},
		"no level":          {rules.None, Impact{Tier: 1}, rules.None, 0},
		"vital":             {rules.Minor, Impact{Tier: 1}, rules.Major, 1},
		"wide":              {rules.Warning, Impact{Tier: 3, Affected: 10}, rules.Minor, 1},
		"burning":           {rules.Major, Impact{Tier: 3, Burn: 14.4}, rules.Critical, 1},
		"all at once":       {rules.Warning, Impact{Tier: 1, Affected: 50, Burn: 20}, rules.Minor, 3},
		"worst already":     {rules.Critical, Impact{Tier: 1}, rules.Critical, 0},
		"minor application": {rules.Major, Impact{Tier: 4, Affected: 2}, rules.Minor, 1},
		"minor but wide":    {rules.Major, Impact{Tier: 4, Affected: 12}, rules.Critical, 1},
		"minor and burning": {rules.Major, Impact{Tier: 4, Burn: 2}, rules.Major, 0},
		"least already":     {rules.Warning, Impact{Tier: 5}, rules.Warning, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, reasons := Grade(c.level, c.impact)
			require.Equal(t, c.want, got)
			require.Len(t, reasons, c.reasons)
		})
	}
}
