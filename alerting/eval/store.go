package eval

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/telemetry"
)

// QueryFunc answers an instant query of a tenant at a moment. A scalar is
// answered as one sample without labels. The caller owns the vector.
type QueryFunc func(ctx context.Context, tenant string, language rules.Language, expr string, at time.Time) (promql.Vector, error)

// Watermark is the time up to which all data of a tenant are stored and can be
// queried; the zero time means that nobody knows, and is not waited for.
type Watermark func(ctx context.Context, tenant string) time.Time

// ErrConflict is what a Store answers when the state of a group was saved by
// somebody else since it was loaded, or under a newer lease.
var ErrConflict = errors.New("the group's state was changed by another evaluator")

// Store keeps the state of groups over restarts and failovers.
type Store interface {
	// Load returns what was saved of a group with its version, and nil with
	// version 0 when nothing was.
	Load(ctx context.Context, tenant, group string) (data []byte, version int64, err error)
	// Save replaces the state that has this version (0 = none yet) and returns
	// the new version. It answers ErrConflict when the version is another, or
	// when a save with a greater token was made.
	Save(ctx context.Context, tenant, group string, data []byte, version, token int64) (int64, error)
	// Tenants lists the tenants that have groups with a state.
	Tenants(ctx context.Context) ([]string, error)
	// Groups lists the groups of a tenant that have a state.
	Groups(ctx context.Context, tenant string) ([]string, error)
	// Delete removes a group's state; one that is not there is no error.
	Delete(ctx context.Context, tenant, group string) error
}

// Lease elects one evaluator among the replicas.
type Lease interface {
	// Acquire takes or renews the lease for ttl. held is false when another
	// replica has it. The token grows with each change of holder.
	Acquire(ctx context.Context, ttl time.Duration) (token int64, held bool, err error)
	// Release gives it back.
	Release(ctx context.Context) error
}

// Sink stores the series that rules make.
type Sink interface {
	WriteMetrics(ctx context.Context, tenant string, m telemetry.Metrics) (telemetry.Outcome, error)
}

// Notification is one alert as receivers are to know it. A graded alert that
// moves between levels is one Notification that ends and one that begins.
type Notification struct {
	Labels       labels.Labels // with alertname and severity
	Annotations  labels.Labels
	StartsAt     time.Time
	EndsAt       time.Time // in the past = resolved
	GeneratorURL string
	MovedTo      rules.Level // resolved because the alert is at this level now
}

// Notifier passes on notifications; it must not keep the slice.
type Notifier interface {
	Notify(ctx context.Context, tenant string, ns []Notification) error
}

// Entry is a transition of an alert, as history keeps it.
type Entry struct {
	ID     string        `json:"id"` // the alert's
	Rule   string        `json:"rule"`
	Group  string        `json:"group"`
	Labels labels.Labels `json:"labels"`
	Transition
}

// History is an append-only record of transitions.
type History interface {
	Append(ctx context.Context, tenant string, es []Entry) error
}
