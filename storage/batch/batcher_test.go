package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/watchfire/watchfire/storage"
)

// start runs a Batcher until the test ends; stop ends it earlier and returns
// Run's error.
func start(t testing.TB, cfg Config, sink Sink) (b *Batcher[*numbers], stop func() error) {
	b = New(cfg, "numbers", newNumbers, sink, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { stop() })
	return b, stop
}

func slow(d time.Duration) func(context.Context, storage.Block) error {
	return func(ctx context.Context, _ storage.Block) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestIdleWriteIsInsertedAfterLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		b, _ := start(t, DefaultConfig(), sink)
		began := time.Now()
		if err := b.Write(t.Context(), adds(1, 2)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != DefaultConfig().Linger {
			t.Errorf("took %s, want linger", took)
		}
		if got := sink.sizes(); !slices.Equal(got, []int{2}) {
			t.Errorf("blocks of %v rows", got)
		}
	})
}

func TestLingerLetsWritesMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		b, _ := start(t, DefaultConfig(), sink)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := b.Write(t.Context(), adds(uint64(i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := sink.sizes(); !slices.Equal(got, []int{100}) {
			t.Errorf("blocks of %v rows, want one of 100", got)
		}
	})
}

// One writer a millisecond, inserts of 10 ms: batches grow to what arrives
// during an insert and its rest.
func TestDutyMakesBatchesGrow(t *testing.T) {
	for _, test := range []struct {
		duty     float64
		from, to int // rows of an average batch
	}{{1, 4, 13}, {0.5, 18, 24}, {0.25, 36, 44}} {
		t.Run(fmt.Sprint(test.duty), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &fakeSink{insert: slow(10 * time.Millisecond)}
				cfg := DefaultConfig()
				cfg.Duty = test.duty
				b, stop := start(t, cfg, sink)
				for i := range 2000 {
					if _, err := b.Add(t.Context(), adds(uint64(i))); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if len(sink.stored()) != 2000 {
					t.Fatalf("%d rows stored", len(sink.stored()))
				}
				if avg := 2000 / len(sink.sizes()); avg < test.from || avg > test.to {
					t.Errorf("average batch of %d rows, want %d to %d", avg, test.from, test.to)
				}
			})
		})
	}
}

func TestMaxDelayBoundsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{insert: slow(10 * time.Second)}
		b, _ := start(t, DefaultConfig(), sink)
		if err := b.Write(t.Context(), adds(1)); err != nil {
			t.Fatal(err)
		}
		began := time.Now() // the rest would be 30 s
		if err := b.Write(t.Context(), adds(2)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 11*time.Second {
			t.Errorf("took %s, want max_delay and the insert", took)
		}
	})
}

func TestFullBatchesUseAllSlotsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{insert: slow(time.Second)}
		cfg := DefaultConfig()
		cfg.MaxRows, cfg.Slots = 10, 3
		b, _ := start(t, cfg, sink)
		began := time.Now()
		var tickets []Ticket
		for i := range 60 {
			ticket, err := b.Add(t.Context(), adds(uint64(i)))
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		for _, ticket := range tickets {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s, want two rounds of a second", took)
		}
		if sink.most != 3 {
			t.Errorf("%d inserts at once, want 3", sink.most)
		}
		if got := sink.sizes(); !slices.Equal(got, []int{10, 10, 10, 10, 10, 10}) {
			t.Errorf("blocks of %v rows", got)
		}
	})
}

func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{insert: slow(time.Minute)}
		cfg := DefaultConfig()
		cfg.MaxRows, cfg.MaxBytes, cfg.MaxPendingBytes = 1, 1, 4*28 // four rows
		cfg.InsertTimeout, cfg.RetryTimeout = time.Hour, time.Hour
		b, _ := start(t, cfg, sink)
		for i := range 4 {
			if _, err := b.Add(t.Context(), adds(uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Add(ctx, adds(4))
		var full *FullError
		if !errors.As(err, &full) || !errors.Is(err, ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if full.HTTPStatus() != http.StatusServiceUnavailable || full.RetryAfter() <= 0 || !strings.Contains(err.Error(), "max_pending_bytes is 112") {
			t.Errorf("got %v", err)
		}
		if err := b.Write(t.Context(), adds(5)); err != nil { // blocks until there is room
			t.Fatal(err)
		}
		if n := testutil.ToFloat64(b.metrics.blocked); n != 2 {
			t.Errorf("blocked %v times, want 2", n)
		}
	})
}

func TestRetriesKeepTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := 5
		var tokens []string
		sink := &fakeSink{insert: func(_ context.Context, b storage.Block) error {
			tokens = append(tokens, b.Token)
			if fails--; fails >= 0 {
				return errors.New("connection refused")
			}
			return nil
		}}
		b, _ := start(t, DefaultConfig(), sink)
		if err := b.Write(t.Context(), adds(1)); err != nil {
			t.Fatal(err)
		}
		if len(tokens) != 6 || len(slices.Compact(tokens)) != 1 || len(tokens[0]) != 32 {
			t.Errorf("tokens %q", tokens)
		}
		if n := testutil.ToFloat64(b.metrics.retries); n != 5 {
			t.Errorf("%v retries counted", n)
		}
	})
}

func TestInsertErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		took   time.Duration
		reason string
	}{
		{"permanent", fmt.Errorf("wrapped: %w", errPermanent), 500, 0, "permanent"},
		{"unavailable", errUnavailable, 503, 30 * time.Second, "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := start(t, DefaultConfig(), &fakeSink{insert: func(context.Context, storage.Block) error { return test.err }})
				began := time.Now()
				first, _ := b.Add(t.Context(), adds(1))
				second, _ := b.Add(t.Context(), adds(2, 3))
				for _, ticket := range []Ticket{first, second} {
					err := ticket.Wait(t.Context())
					var insert *InsertError
					if !errors.As(err, &insert) || !errors.Is(err, test.err) || insert.HTTPStatus() != test.status || insert.Rows != 3 {
						t.Errorf("got %v", err)
					}
				}
				if took := time.Since(began).Truncate(time.Second); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
				if n := testutil.ToFloat64(b.metrics.failedRows.WithLabelValues(test.reason)); n != 3 {
					t.Errorf("%v failed rows counted", n)
				}
				if n := testutil.ToFloat64(b.metrics.pending); n != 0 {
					t.Errorf("%v bytes pending", n)
				}
			})
		})
	}
}

func TestPanicInAddFailsTheBatchAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		b, _ := start(t, DefaultConfig(), sink)
		met, err := b.Add(t.Context(), adds(1))
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.Add(t.Context(), func(c *numbers) { c.n.Append(2); panic("half a row") })
		}()
		if err := met.Wait(t.Context()); !errors.Is(err, errPanicked) {
			t.Errorf("got %v", err)
		}
		if err := b.Write(t.Context(), adds(3)); err != nil {
			t.Fatal(err)
		}
		if got := sink.stored(); len(got) != 1 || got[3] != 1 {
			t.Errorf("stored %v", got)
		}
		if n := testutil.ToFloat64(b.metrics.pending); n != 0 {
			t.Errorf("%v bytes pending", n)
		}
	})
}

func TestRowsOfUnevenColumnsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := start(t, DefaultConfig(), &fakeSink{})
		err := b.Write(t.Context(), func(c *numbers) { c.n.Append(1) })
		var insert *InsertError
		if !errors.As(err, &insert) || !insert.Permanent {
			t.Errorf("got %v", err)
		}
		if err := b.Write(t.Context(), adds(2)); err != nil {
			t.Error(err)
		}
	})
}

func TestNothingAddedIsDone(t *testing.T) {
	b, _ := start(t, DefaultConfig(), &fakeSink{})
	if err := b.Write(t.Context(), adds()); err != nil {
		t.Error(err)
	}
	if err := (Ticket{}).Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{insert: slow(time.Second)}
		cfg := DefaultConfig()
		cfg.MaxRows, cfg.Slots = 10, 1
		b, stop := start(t, cfg, sink)
		for i := range 55 {
			if _, err := b.Add(t.Context(), adds(uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %s", took)
		}
		if len(sink.stored()) != 55 {
			t.Errorf("%d rows stored", len(sink.stored()))
		}
		if err := b.Write(t.Context(), adds(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
	})
}

func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.MaxRows, cfg.Slots = 1, 2
		b, stop := start(t, cfg, &fakeSink{insert: slow(time.Hour)})
		var tickets []Ticket
		for i := range 7 {
			ticket, err := b.Add(t.Context(), adds(uint64(i)))
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		synctest.Wait()
		began := time.Now()
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "cannot store 7 rows of table numbers") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != cfg.DrainTimeout {
			t.Errorf("took %s", took)
		}
		for _, ticket := range tickets {
			if ticket.Wait(t.Context()) == nil {
				t.Error("acknowledged what is not stored")
			}
		}
	})
}

// Real time and goroutines, failing sink: every acknowledged number is stored,
// and none twice.
func TestEveryAcknowledgedRowIsStoredOnce(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	sink := &fakeSink{insert: func(ctx context.Context, b storage.Block) error {
		mu.Lock()
		calls++
		fail := calls%70 == 0
		mu.Unlock()
		if fail {
			return errors.New("connection reset")
		}
		return nil
	}}
	cfg := DefaultConfig()
	cfg.MaxRows, cfg.MaxBytes, cfg.MaxPendingBytes = 5, 200, 400
	cfg.Linger, cfg.Duty = 0, 1
	b, stop := start(t, cfg, sink)
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Go(func() {
			for i := range 200 {
				if err := b.Write(t.Context(), adds(uint64(g*200+i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	stored := sink.stored()
	for n := range uint64(4000) {
		if stored[n] != 1 {
			t.Fatalf("%d is stored %d times", n, stored[n])
		}
	}
}
