package logs

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) {
	code := enginetest.Run(m, Migrations()...)
	if shared.stop != nil {
		shared.stop()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "leaked goroutines:", err)
		code = 1
	}
	os.Exit(code)
}

// shared is the writer of most tests, without limits, and its tail.
var shared struct {
	once   sync.Once
	writer *Writer
	tail   *Tail
	stop   func()
}

func testConfig() Config {
	c := DefaultConfig()
	c.Limits = Limits{}
	c.Batch.Linger, c.Batch.Duty = 0, 1
	return c
}

func testWriter(t testing.TB) *Writer {
	t.Helper()
	client := enginetest.Client(t)
	shared.once.Do(func() {
		shared.tail = NewTail(DefaultTailConfig(), nil)
		shared.writer = NewWriter(testConfig(), client, WriterOptions{Tail: shared.tail})
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

// epoch is the time of the first line of most tests.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// lines is a stream with a line a second from epoch on.
func lines(ls labels.Labels, texts ...string) telemetry.LogStream {
	s := telemetry.LogStream{Labels: ls}
	for i, text := range texts {
		s.Records = append(s.Records, telemetry.LogRecord{Time: epoch.Add(time.Duration(i) * time.Second).UnixNano(), Line: text})
	}
	return s
}

// write stores streams and expects all to be accepted.
func write(t testing.TB, tenant string, streams ...telemetry.LogStream) {
	t.Helper()
	out, err := testWriter(t).WriteLogs(t.Context(), tenant, streams)
	require.NoError(t, err)
	require.Empty(t, out.Message())
}

// golden compares text with a file in testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
