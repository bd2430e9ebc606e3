package metrics

import (
	"testing"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// TestPromQLOfPrometheus runs the acceptance tests that Prometheus ships, with
// the options that it runs them with.
func TestPromQLOfPrometheus(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	promqltest.RunBuiltinTestsWithStorage(parallel{t}, promql.QueryEngine(engine), newTenantStorage)
}

// parallel runs the files side by side, for each mostly waits for its own
// small queries.
type parallel struct{ *testing.T }

func (p parallel) Run(name string, f func(*testing.T)) bool {
	return p.T.Run(name, func(t *testing.T) {
		t.Parallel()
		f(t)
	})
}
