package notify

import (
	"context"
	"log/slog"

	"github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// Names that tie the alerts of Alertmanager, which are told apart by all their
// labels, to those of Watchfire, which move between levels.
const (
	severityLabel     = "severity"
	movedToAnnotation = "moved_to"
)

// movedStage leaves out of a notification that a level was left when the same
// notification says at which level the alert is now: to people it is one
// alert. Where the two go to different groups or receivers, both are told.
type movedStage struct{ next amnotify.Stage }

// Exec implements notify.Stage.
func (s movedStage) Exec(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	return s.next.Exec(ctx, l, dropMoved(alerts)...)
}

func dropMoved(alerts []*alert.Alert) []*alert.Alert {
	var firing map[model.Fingerprint]bool
	for _, a := range alerts {
		if moved(a) {
			firing = map[model.Fingerprint]bool{}
		}
	}
	if firing == nil {
		return alerts
	}
	for _, a := range alerts {
		if !a.Resolved() {
			firing[identity(a)] = true
		}
	}
	kept := make([]*alert.Alert, 0, len(alerts))
	for _, a := range alerts {
		if !moved(a) || !firing[identity(a)] {
			kept = append(kept, a)
		}
	}
	return kept
}

func moved(a *alert.Alert) bool {
	_, ok := a.Annotations[movedToAnnotation]
	return ok && a.Resolved()
}

// identity is an alert without its level.
func identity(a *alert.Alert) model.Fingerprint {
	ls := a.Labels.Clone()
	delete(ls, severityLabel)
	return ls.Fingerprint()
}
