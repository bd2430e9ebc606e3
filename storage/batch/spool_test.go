package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/watchfire/watchfire/storage"
)

// flaky is a fakeSink that can be switched off.
type flaky struct {
	fakeSink
	down atomic.Bool
}

func newFlaky(down bool) *flaky {
	f := new(flaky)
	f.down.Store(down)
	f.insert = func(context.Context, storage.Block) error {
		if f.down.Load() {
			return errUnavailable
		}
		return nil
	}
	return f
}

func spoolConfig(dir string) SpoolConfig {
	cfg := DefaultSpoolConfig()
	cfg.Dir, cfg.Pace, cfg.MinFreeBytes = dir, 0, 0
	return cfg
}

func openSpool(t testing.TB, cfg SpoolConfig, next Sink) *Spool {
	t.Helper()
	s, err := NewSpool(cfg, next, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t testing.TB, s *Spool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func insert(t testing.TB, s *Spool, ns ...uint64) {
	t.Helper()
	for _, n := range ns {
		if err := s.Insert(t.Context(), block(t, "numbers", fmt.Sprint("token-", n), n)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Spool) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if !q.empty() {
			return false
		}
	}
	return true
}

func waitDrained(t testing.TB, s *Spool) {
	t.Helper()
	for range 3000 {
		if s.drained() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the spool is not drained")
}

// files lists what is below dir, without the lock.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "LOCK" {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func order(sink *fakeSink) (ns []uint64) {
	sink.mu.Lock()
	defer sink.mu.Unlock()
	return slices.Concat(sink.blocks...)
}

func upTo(n uint64) (ns []uint64) {
	for i := range n {
		ns = append(ns, i)
	}
	return ns
}

func TestSpoolPassesThrough(t *testing.T) {
	next := newFlaky(false)
	cfg := spoolConfig(t.TempDir())
	s := openSpool(t, cfg, next)
	insert(t, s, 0, 1)
	if got := order(&next.fakeSink); !slices.Equal(got, upTo(2)) {
		t.Errorf("stored %v", got)
	}
	if got := files(t, cfg.Dir); len(got) > 0 {
		t.Errorf("files %v", got)
	}
}

func TestSpoolDrainsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newFlaky(true)
		cfg := spoolConfig(t.TempDir())
		cfg.SegmentBytes = 300
		s := openSpool(t, cfg, next)
		stop := run(t, s)
		insert(t, s, upTo(10)...)
		synctest.Wait()
		blocks, oldest := s.metrics.blocks.WithLabelValues("numbers"), s.metrics.oldest.WithLabelValues("numbers")
		if n := testutil.ToFloat64(blocks); n != 10 {
			t.Errorf("%v blocks wait", n)
		}
		if at := testutil.ToFloat64(oldest); at != float64(time.Now().Unix()) {
			t.Errorf("oldest is of %v", at)
		}
		if n := len(files(t, cfg.Dir)); n < 3 {
			t.Errorf("%d segments", n)
		}
		next.down.Store(false)
		insert(t, s, 10, 11) // queue up behind the others
		time.Sleep(time.Minute)
		if got := order(&next.fakeSink); !slices.Equal(got, upTo(12)) {
			t.Errorf("stored %v", got)
		}
		if !next.tokens["token-3"] {
			t.Errorf("tokens %v", next.tokens)
		}
		if n := testutil.ToFloat64(blocks) + testutil.ToFloat64(oldest) + testutil.ToFloat64(s.metrics.bytes); n != 0 {
			t.Error("metrics of an empty spool are not 0")
		}
		if n := testutil.ToFloat64(s.metrics.drained); n != 12 {
			t.Errorf("%v drained", n)
		}
		if got := files(t, cfg.Dir); len(got) > 0 {
			t.Errorf("files %v", got)
		}
		insert(t, s, 12)
		if n := testutil.ToFloat64(s.metrics.spooled); n != 12 {
			t.Errorf("%v spooled: an empty spool does not pass through", n)
		}
		stop()
	})
}

func TestSpoolTablesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stored atomic.Int64
		next := &fakeSink{insert: func(_ context.Context, b storage.Block) error {
			if b.Table == "a/b" {
				return errUnavailable
			}
			stored.Add(1)
			return nil
		}}
		s := openSpool(t, spoolConfig(t.TempDir()), next)
		stop := run(t, s)
		for _, table := range []string{"a/b", "numbers", "a/b"} {
			if err := s.Insert(t.Context(), block(t, table, newToken(), 1)); err != nil {
				t.Fatal(err)
			}
		}
		if stored.Load() != 1 {
			t.Error("another table's queue is in the way")
		}
		stop()
	})
}

func TestSpoolTakesOverFromAHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := spoolConfig(t.TempDir())
		s := openSpool(t, cfg, &fakeSink{insert: slow(time.Hour)})
		began := time.Now()
		insert(t, s, 1, 2)
		if took := time.Since(began); took != cfg.InsertTimeout {
			t.Errorf("took %s, want insert_timeout once", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Insert(ctx, block(t, "other", "token", 1)); err != nil {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestSpoolPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := spoolConfig(t.TempDir())
		cfg.Pace = time.Second
		s := openSpool(t, cfg, newFlaky(true))
		began := time.Now()
		insert(t, s, 1, 2, 3)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestSpoolSurvivesRestart(t *testing.T) {
	cfg := spoolConfig(t.TempDir())
	cfg.SegmentBytes = 300
	next := newFlaky(true)
	for n := range uint64(3) {
		s := openSpool(t, cfg, next)
		insert(t, s, 4*n, 4*n+1, 4*n+2, 4*n+3)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := openSpool(t, cfg, next)
	if n := testutil.ToFloat64(s.metrics.blocks); n != 12 {
		t.Errorf("%v blocks found", n)
	}
	next.down.Store(false)
	run(t, s)
	waitDrained(t, s)
	if got := order(&next.fakeSink); !slices.Equal(got, upTo(12)) {
		t.Errorf("stored %v", got)
	}
}

func TestSpoolDirHasOneOwner(t *testing.T) {
	cfg := spoolConfig(t.TempDir())
	openSpool(t, cfg, newFlaky(true))
	_, err := NewSpool(cfg, newFlaky(true), nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestSpoolFull(t *testing.T) {
	for _, test := range []struct {
		knob string
		set  func(*SpoolConfig)
	}{
		{"spool.max_bytes is 300", func(c *SpoolConfig) { c.MaxBytes, c.SegmentBytes = 300, 100 }},
		{"spool.min_free_bytes is 4611686018427387904", func(c *SpoolConfig) { c.MinFreeBytes = 1 << 62 }},
	} {
		cfg := spoolConfig(t.TempDir())
		test.set(&cfg)
		next := newFlaky(true)
		s := openSpool(t, cfg, next)
		var err error
		n := uint64(0)
		for ; err == nil && n < 100; n++ {
			err = s.Insert(t.Context(), block(t, "numbers", fmt.Sprint(n), n))
		}
		var full *FullError
		if !errors.Is(err, ErrFull) || !errors.As(err, &full) || full.HTTPStatus() != 503 || !strings.Contains(err.Error(), test.knob) {
			t.Errorf("got %v, want %s", err, test.knob)
		}
		next.down.Store(false)
		run(t, s)
		waitDrained(t, s)
		if got := order(&next.fakeSink); !slices.Equal(got, upTo(n-1)) {
			t.Errorf("stored %v", got)
		}
		insert(t, s, n) // passes through
	}
}

// fullFile fails in mid-record once so many bytes are written.
type fullFile struct {
	segmentFile
	room int64
}

func (f fullFile) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) <= f.room {
		return f.segmentFile.WriteAt(p, at)
	}
	n, err := f.segmentFile.WriteAt(p[:max(0, f.room-at)], at)
	return n, errors.Join(err, syscall.ENOSPC)
}

func TestSpoolDiskFull(t *testing.T) {
	for _, room := range []int64{0, 50, 150, 200, 300} {
		cfg := spoolConfig(t.TempDir())
		next := newFlaky(true)
		s := openSpool(t, cfg, next)
		s.open = func(path string, flag int) (segmentFile, error) {
			f, err := openSegment(path, flag)
			return fullFile{f, room}, err
		}
		var acknowledged []uint64
		for n := range uint64(6) {
			err := s.Insert(t.Context(), block(t, "numbers", fmt.Sprint(n), n))
			if err == nil {
				acknowledged = append(acknowledged, n)
			} else if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got %v", err)
			}
		}
		if int64(len(acknowledged)) > room/90 {
			t.Errorf("room %d: acknowledged %v", room, acknowledged)
		}
		s.open = openSegment
		run(t, s)
		next.down.Store(false)
		waitDrained(t, s)
		if got := order(&next.fakeSink); !slices.Equal(got, acknowledged) {
			t.Errorf("room %d: stored %v, acknowledged %v", room, got, acknowledged)
		}
		if got := files(t, cfg.Dir); len(got) > 0 {
			t.Errorf("files %v", got)
		}
	}
}

func TestSpoolKeepsRejectedBlocks(t *testing.T) {
	cfg := spoolConfig(t.TempDir())
	next := newFlaky(true)
	s := openSpool(t, cfg, next)
	insert(t, s, upTo(5)...)
	var healed atomic.Bool
	next.insert = func(_ context.Context, b storage.Block) error {
		if b.Token == "token-2" && !healed.Load() {
			return errPermanent
		}
		return nil
	}
	stop := run(t, s)
	waitDrained(t, s)
	if got := order(&next.fakeSink); !slices.Equal(got, []uint64{0, 1, 3, 4}) {
		t.Errorf("stored %v", got)
	}
	if n := testutil.ToFloat64(s.metrics.rejected); n != 1 {
		t.Errorf("%v rejected", n)
	}
	kept := files(t, filepath.Join(cfg.Dir, rejectedDir))
	if len(kept) != 1 {
		t.Fatalf("kept %v", kept)
	}
	stop()
	s.Close()

	// A person moves the segment back once the cause is gone.
	if err := os.Rename(kept[0], strings.Replace(kept[0], rejectedDir, queueDir, 1)); err != nil {
		t.Fatal(err)
	}
	healed.Store(true)
	s = openSpool(t, cfg, next)
	run(t, s)
	waitDrained(t, s)
	if got := order(&next.fakeSink); !slices.Equal(got, []uint64{0, 1, 3, 4, 2}) {
		t.Errorf("stored %v", got)
	}
	if got := files(t, cfg.Dir); len(got) > 0 {
		t.Errorf("files %v", got)
	}
}

// spooled writes one segment of n blocks and returns its path and the offsets
// of the blocks.
func spooled(t testing.TB, cfg SpoolConfig, n uint64) (path string, offsets []int64) {
	t.Helper()
	s := openSpool(t, cfg, newFlaky(true))
	for i := range n {
		size := int64(0)
		if segments := s.queue("numbers").segments; len(segments) > 0 {
			size = segments[0].size
		}
		offsets = append(offsets, size)
		insert(t, s, i)
	}
	s.Close()
	return files(t, cfg.Dir)[0], offsets
}

// drainAll opens the spool, drains it, and returns what came out.
func drainAll(t testing.TB, cfg SpoolConfig) (ns []uint64, corrupt float64) {
	t.Helper()
	next := newFlaky(false)
	s := openSpool(t, cfg, next)
	stop := run(t, s)
	waitDrained(t, s)
	stop()
	s.Close()
	return order(&next.fakeSink), testutil.ToFloat64(s.metrics.corrupt)
}

func TestSpoolTornTail(t *testing.T) {
	cfg := spoolConfig(t.TempDir())
	path, offsets := spooled(t, cfg, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(whole); n >= 0; n-- {
		if n > 150 && n%7 != 0 {
			continue
		}
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want := uint64(0)
		for want < 3 && (int(want) == 2 && n == len(whole) || int(want) < 2 && int64(n) >= offsets[want+1]) {
			want++
		}
		got, corrupt := drainAll(t, cfg)
		if !slices.Equal(got, upTo(want)) || corrupt != 0 {
			t.Fatalf("cut to %d of %d bytes: got %v, want %d; %v corrupt", n, len(whole), got, want, corrupt)
		}
	}
}

func TestSpoolStepsOverCorruptRecords(t *testing.T) {
	for name, damage := range map[string]func(whole []byte, second, third int64) []byte{
		"header":  func(p []byte, second, _ int64) []byte { p[second+10] ^= 1; return p },
		"magic":   func(p []byte, second, _ int64) []byte { p[second] = 0; return p },
		"body":    func(p []byte, second, _ int64) []byte { p[second+headerSize+40] ^= 1; return p },
		"zeroed":  func(p []byte, second, third int64) []byte { clear(p[second:third]); return p },
		"shorter": func(p []byte, second, third int64) []byte { return slices.Delete(p, int(second)+20, int(third)-20) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := spoolConfig(t.TempDir())
			path, offsets := spooled(t, cfg, 4)
			p, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p = damage(p, offsets[1], offsets[2])
			if err := os.WriteFile(path, p, 0o600); err != nil {
				t.Fatal(err)
			}
			got, corrupt := drainAll(t, cfg)
			if !slices.Equal(got, []uint64{0, 2, 3}) || corrupt != 1 {
				t.Errorf("got %v, %v corrupt", got, corrupt)
			}
			kept := files(t, cfg.Dir)
			if len(kept) != 1 || !strings.Contains(kept[0], corruptDir) {
				t.Fatalf("kept %v", kept)
			}
			after, err := os.ReadFile(kept[0])
			if err != nil || !bytes.Equal(after[headerSize:offsets[1]], p[headerSize:offsets[1]]) {
				t.Errorf("the kept segment is not what was damaged: %v", err)
			}
		})
	}
}

func TestSpoolConfigValidate(t *testing.T) {
	cfg := DefaultSpoolConfig()
	cfg.Dir = "spool"
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	err := SpoolConfig{MinFreeBytes: -1, Pace: -1}.Validate()
	for _, knob := range []string{"dir", "segment_bytes", "min_free_bytes", "insert_timeout", "pace", "drains"} {
		if err == nil || !strings.Contains(err.Error(), knob) {
			t.Errorf("nothing about %s in %v", knob, err)
		}
	}
}
