package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/watchfire/watchfire/server"
)

// State of something that should report. What has stopped reporting is not
// healthy and not failed: it is unknown.
type State string

// The states of sources and hosts.
const (
	StateOK      State = "ok"
	StateLate    State = "late"    // reported, but not within lateAfter
	StateMissing State = "missing" // a source that reported once and is silent since missingAfter
	StateUnknown State = "unknown" // a host of which nothing recent is known
)

const (
	lateAfter    = 90 * time.Second
	missingAfter = 10 * time.Minute
	// hostWindow is how far back a host is remembered on the page.
	hostWindow = time.Hour
	// errorWindow and errorLimit bound the newest errors.
	errorWindow = time.Hour
	errorLimit  = 15
	// overviewTimeout bounds the queries behind one page view.
	overviewTimeout = 10 * time.Second
)

// Source is one way by which telemetry comes in.
type Source struct {
	Signal    string    `json:"signal"` // metrics, logs, traces, events
	Name      string    `json:"source"` // such as otlp_grpc, remote_write, scrape
	PerSecond float64   `json:"per_second"`
	LastSeen  time.Time `json:"last_seen"`
	State     State     `json:"state"`
}

// Host is a machine that reported within the last hour. Shares are 0 to 1, nil
// when unknown.
type Host struct {
	Name     string    `json:"name"`
	LastSeen time.Time `json:"last_seen"`
	CPU      *float64  `json:"cpu"`
	Memory   *float64  `json:"memory"`
	Disk     *float64  `json:"disk"` // of its fullest file system
	State    State     `json:"state"`
}

// Line is a log line that tells of an error, and a query that finds its like.
type Line struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Line    string    `json:"line"`
	Query   string    `json:"query"`
}

// Alert is an alert as the page shows it.
type Alert struct {
	Name      string    `json:"name"`
	Level     string    `json:"level"` // critical, major, minor, warning
	State     string    `json:"state"` // firing, pending, unknown
	Since     time.Time `json:"since"`
	Summary   string    `json:"summary"`
	SummaryZH string    `json:"summary_zh,omitempty"`
}

// Overview is the answer of GET /api/ops/v1/overview. A part that could not be
// read is empty and named in Problems.
type Overview struct {
	Now      time.Time `json:"now"`
	Tenant   string    `json:"tenant"`
	Sources  []Source  `json:"sources"`
	Hosts    []Host    `json:"hosts"`
	Errors   []Line    `json:"errors"`
	Alerts   []Alert   `json:"alerts"`
	Problems []string  `json:"problems"`
}

// Reader is what the overview asks of the rooms below; cmd wires it.
type Reader struct {
	// Sources lists the ways in; rate and last time are set, state is not.
	Sources func(tenant string, now time.Time) []Source
	// Query answers an instant PromQL query.
	Query func(ctx context.Context, tenant, expr string, at time.Time) (promql.Vector, error)
	// Errors returns the newest error lines between two times, newest first.
	Errors func(ctx context.Context, tenant string, from, to time.Time, limit int) ([]Line, error)
	// Alerts lists what is pending, firing or unknown.
	Alerts func(ctx context.Context, tenant string) ([]Alert, error)
	Now    func() time.Time
}

// ServeHTTP answers GET /api/ops/v1/overview.
func (r *Reader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), overviewTimeout)
	defer cancel()
	o := r.Overview(ctx, server.Tenant(req.Context()))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(o) // an error is the client's leaving
}

// Overview reads everything that the page shows, the parts side by side.
func (r *Reader) Overview(ctx context.Context, tenant string) Overview {
	now := r.Now()
	o := Overview{Now: now.UTC(), Tenant: tenant, Sources: []Source{}, Hosts: []Host{}, Errors: []Line{}, Alerts: []Alert{}, Problems: []string{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	part := func(name string, read func() error) {
		wg.Go(func() {
			if err := read(); err != nil {
				mu.Lock()
				o.Problems = append(o.Problems, fmt.Sprintf("%s: %v", name, err))
				mu.Unlock()
			}
		})
	}
	for _, s := range r.Sources(tenant, now) {
		s.State = sourceState(s.LastSeen, now)
		o.Sources = append(o.Sources, s)
	}
	part("hosts", func() error {
		hosts, err := r.hosts(ctx, tenant, now)
		if err == nil {
			o.Hosts = append(o.Hosts, hosts...)
		}
		return err
	})
	part("logs", func() error {
		lines, err := r.Errors(ctx, tenant, now.Add(-errorWindow), now, errorLimit)
		if err == nil {
			o.Errors = append(o.Errors, lines...)
		}
		return err
	})
	part("alerts", func() error {
		alerts, err := r.Alerts(ctx, tenant)
		if err == nil {
			o.Alerts = append(o.Alerts, alerts...)
			sort.SliceStable(o.Alerts, func(i, j int) bool { return alertBefore(o.Alerts[i], o.Alerts[j]) })
		}
		return err
	})
	wg.Wait()
	sort.Strings(o.Problems)
	return o
}

func sourceState(last, now time.Time) State {
	switch age := now.Sub(last); {
	case age > missingAfter:
		return StateMissing
	case age > lateAfter:
		return StateLate
	}
	return StateOK
}

// alertBefore puts the worst first, of equals the newest.
func alertBefore(a, b Alert) bool {
	if ra, rb := alertRank(a), alertRank(b); ra != rb {
		return ra < rb
	}
	return a.Since.After(b.Since)
}

func alertRank(a Alert) int {
	levels := map[string]int{"critical": 0, "major": 1, "minor": 2, "warning": 3}
	rank, ok := levels[a.Level]
	if !ok {
		rank = len(levels)
	}
	if a.State == "pending" {
		rank += 10
	}
	return rank
}
