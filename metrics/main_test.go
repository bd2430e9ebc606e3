package metrics

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) {
	code := enginetest.Run(m, Migrations()...)
	if shared.stop != nil {
		shared.stop()
	}
	os.Exit(code)
}

// shared is the writer of most tests, without limits.
var shared struct {
	once   sync.Once
	writer *Writer
	stop   func()
}

func testConfig() Config {
	c := DefaultConfig()
	c.Limits = Limits{}
	c.Batch.Linger, c.Batch.Duty = 0, 1
	return c
}

// testWriter returns a running Writer that refuses no sample for its age.
func testWriter(t testing.TB) *Writer {
	t.Helper()
	client := enginetest.Client(t)
	shared.once.Do(func() {
		shared.writer = NewWriter(testConfig(), client, WriterOptions{})
		shared.stop = background(shared.writer)
	})
	return shared.writer
}

// background runs w until the returned function is called.
func background(w *Writer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

// startWriter returns a running Writer of its own.
func startWriter(t testing.TB, cfg Config, o WriterOptions) *Writer {
	t.Helper()
	w := NewWriter(cfg, enginetest.Client(t), o)
	t.Cleanup(background(w))
	return w
}

func testStore(t testing.TB) *Store {
	t.Helper()
	return NewStore(DefaultQueryConfig(), enginetest.Client(t), testWriter(t))
}

// fixed is a tenant that no context names.
func fixed(tenant string) func(context.Context) string {
	return func(context.Context) string { return tenant }
}

// tenantStorage is one tenant as Prometheus' storage.Storage.
type tenantStorage struct {
	*Appendable
	*Queryable
	start func() (int64, error)
}

func (s *tenantStorage) StartTime() (int64, error) { return s.start() }
func (s *tenantStorage) Close() error              { return nil }

func newTenantStorage(t testing.TB) storage.Storage {
	tenant, store := enginetest.Tenant(t), testStore(t)
	return &tenantStorage{
		Appendable: testWriter(t).Appendable(fixed(tenant)),
		Queryable:  store.Queryable(fixed(tenant)),
		start:      func() (int64, error) { return store.StartTime(context.Background(), tenant) },
	}
}

// write stores series and expects all to be accepted.
func write(t testing.TB, tenant string, series ...telemetry.Series) {
	t.Helper()
	out, err := testWriter(t).WriteMetrics(t.Context(), tenant, telemetry.Metrics{Series: series})
	require.NoError(t, err)
	require.Empty(t, out.Message())
}

// floats is a series with a sample every step.
func floats(ls labels.Labels, start int64, step time.Duration, values ...float64) telemetry.Series {
	s := telemetry.Series{Labels: ls}
	for i, v := range values {
		s.Samples = append(s.Samples, telemetry.Sample{T: start + int64(i)*step.Milliseconds(), V: v})
	}
	return s
}
