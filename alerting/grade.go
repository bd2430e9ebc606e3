package alerting

import (
	"fmt"

	"github.com/watchfire/watchfire/alerting/rules"
)

// Impact is what an alert means for applications. Zero values are unknown and
// change nothing.
type Impact struct {
	Tier     int     // of the most important affected application: 1 = vital, 3 = usual, 4 and more = minor
	Affected int     // applications or services that depend on what the alert is about
	Burn     float64 // rate at which the error budget is used, 1 = just used up at its end
}

// Thresholds of Grade. The burn rates are those of the SRE workbook, chapter
// 5: at 14.4 a budget of 30 days loses 2 % in an hour.
const (
	wideBlast = 10
	fastBurn  = 14.4
	slowBurn  = 1
)

// Grade is the level that people see: the level of the rule, raised by one
// when a vital application, many applications or the error budget suffers, and
// lowered by one when nothing but minor applications are touched and no budget
// burns. The reasons name the numbers; there are none when nothing changed.
func Grade(level rules.Level, i Impact) (rules.Level, []string) {
	if level == rules.None {
		return level, nil
	}
	var up []string
	if i.Tier == 1 {
		up = append(up, "raised: an application of tier 1 is affected")
	}
	if i.Affected >= wideBlast {
		up = append(up, fmt.Sprintf("raised: %d applications are affected (from %d)", i.Affected, wideBlast))
	}
	if i.Burn >= fastBurn {
		up = append(up, fmt.Sprintf("raised: the error budget burns at %.1f times its rate (from %.1f)", i.Burn, fastBurn))
	}
	if len(up) > 0 {
		if level == rules.Critical {
			return level, nil
		}
		return level + 1, up
	}
	if i.Tier >= 4 && i.Burn < slowBurn && level > rules.Warning {
		return level - 1, []string{fmt.Sprintf("lowered: only applications of tier %d and below are affected, and no error budget burns", i.Tier)}
	}
	return level, nil
}
