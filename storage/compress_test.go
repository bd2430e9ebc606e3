package storage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

func TestCompression(t *testing.T) {
	for _, method := range []string{"zstd", "lz4", "none"} {
		t.Run(method, func(t *testing.T) {
			reg := prometheus.NewPedanticRegistry()
			c, err := storage.Open(t.Context(), storage.Options{DSN: enginetest.DSN(t) + "?compress=" + method, Registerer: reg})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			tenant := enginetest.Tenant(t)
			if err := c.Insert(t.Context(), block(t, tenant, tenant, 100000)); err != nil {
				t.Fatal(err)
			}
			rows := 0
			q := discard("SELECT n FROM numbers WHERE tenant = " + storage.String(tenant))
			q.OnBlock = func(n int) error { rows += n; return nil }
			if _, err := c.Select(t.Context(), q); err != nil || rows != 100000 {
				t.Errorf("got %d rows, %v", rows, err)
			}
			_, err = c.Select(t.Context(), discard("SELECT x FROM nowhere"))
			var e *storage.Error
			if !errors.As(err, &e) || e.Code != 60 {
				t.Errorf("got %v", err)
			}
			_, err = c.Select(t.Context(), discard("SELECT throwIf(number = 3000000, 'boom')::UInt64 FROM numbers(10000000) SETTINGS max_threads = 1"))
			if !errors.As(err, &e) || e.Code != 395 || !strings.Contains(e.Message, "boom") {
				t.Errorf("amid the result: got %v", err)
			}
			if n, err := c.Query(t.Context(), "SELECT 1"); err != nil {
				t.Error(err)
			} else {
				n.Close()
			}
			checkMetrics(t, reg)
		})
	}
}

// checkMetrics holds the client's metrics against what TestCompression did.
func checkMetrics(t *testing.T, reg *prometheus.Registry) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "watchfire_storage_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"insert_rows_total": 100000, "request_seconds insert": 1, "request_seconds select": 3, "request_seconds query": 1,
		"errors_total 60 select": 1, "errors_total 395 select": 1,
	} {
		if got[name] != want {
			t.Errorf("metric %s is %v, want %v", name, got[name], want)
		}
	}
}
