// Package faults breaks a running Watchfire on purpose and checks its
// contract: nothing acknowledged is lost, nothing shows twice, and it
// recovers by itself.
package faults

import (
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

// senders push in parallel, each a series of its own, one sample a push.
const senders = 4

// load pushes unique samples until stopped and remembers which of them were
// acknowledged. A push that was not acknowledged is sent again, as real
// senders do.
type load struct {
	w     *harness.Watchfire
	base  int64 // Unix milliseconds of the first sample
	stop  chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	acked [senders]int // samples 0 .. acked-1 of each sender are acknowledged
	odd   []string     // answers that are neither success nor retry
}

func startLoad(w *harness.Watchfire) *load {
	l := &load{w: w, base: time.Now().Add(-time.Hour).UnixMilli(), stop: make(chan struct{})}
	for s := range senders {
		l.wg.Go(func() { l.send(s) })
	}
	return l
}

func (l *load) send(sender int) {
	for n := 0; ; {
		select {
		case <-l.stop:
			return
		default:
		}
		status, text, err := l.w.PushMetric("fault_load", map[string]string{"sender": fmt.Sprint(sender)},
			harness.Point{T: l.base + int64(n), V: float64(n)})
		switch {
		case err == nil && status/100 == 2:
			n++
			l.mu.Lock()
			l.acked[sender] = n
			l.mu.Unlock()
		case err != nil || status == http.StatusTooManyRequests || status/100 == 5:
			time.Sleep(20 * time.Millisecond)
		default:
			l.mu.Lock()
			l.odd = append(l.odd, fmt.Sprintf("status %d: %s", status, text))
			l.mu.Unlock()
			return
		}
	}
}

// total is how many samples are acknowledged so far.
func (l *load) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.acked {
		n += a
	}
	return n
}

// verify stops the senders and compares what is stored with what was
// acknowledged, sample by sample. At most the one sample that was under way
// may be there beyond.
func (l *load) verify(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if len(l.odd) > 0 {
		t.Fatalf("unexpected answers: %v", l.odd)
	}
	if l.total() == 0 {
		t.Fatal("nothing was acknowledged: the load did not run")
	}
	harness.Eventually(t, 30*time.Second, func() error {
		stored, err := l.w.RawSamples("fault_load", "sender", 2*time.Hour, time.Now())
		if err != nil {
			return err
		}
		for s := range senders {
			points := stored[fmt.Sprint(s)]
			if n := len(points) - l.acked[s]; n < 0 || n > 1 {
				return fmt.Errorf("sender %d: %d samples acknowledged, %d stored", s, l.acked[s], len(points))
			}
			for i, p := range points {
				if p.T != l.base+int64(i) || p.V != float64(i) {
					return fmt.Errorf("sender %d: sample %d is %+v, want time %d", s, i, p, l.base+int64(i))
				}
			}
		}
		return nil
	})
	t.Logf("%d samples acknowledged, all stored once", l.total())
}

// progress waits until more samples than before are acknowledged.
func (l *load) progress(t *testing.T, within time.Duration) {
	t.Helper()
	before := l.total()
	harness.Eventually(t, within, func() error {
		if now := l.total(); now <= before+senders {
			return fmt.Errorf("still %d samples acknowledged", now)
		}
		return nil
	})
}

const kills = 20

func TestEngineKilledUnderLoad(t *testing.T) {
	w := harness.Start(t, harness.Options{})
	l := startLoad(w)
	for i := range kills {
		l.progress(t, 30*time.Second)
		w.WaitReady() // an engine that is killed as it starts is given ever longer pauses
		pid := 0
		harness.Eventually(t, 20*time.Second, func() error {
			if pid = w.EnginePID(); pid == 0 {
				return fmt.Errorf("the engine is not running")
			}
			return nil
		})
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("kill %d of the engine: %v", i+1, err)
		}
	}
	l.progress(t, 30*time.Second)
	l.verify(t)
}

func TestWatchfireKilledUnderLoad(t *testing.T) {
	w := harness.Start(t, harness.Options{})
	l := startLoad(w)
	for range kills {
		l.progress(t, 30*time.Second)
		w.Kill()
		w.Restart()
	}
	l.progress(t, 30*time.Second)
	l.verify(t)
}

// TestEngineStopped is a ClickHouse that hangs: it accepts connections and
// answers nothing. Pushes go to the spool and are acknowledged from there.
func TestEngineStopped(t *testing.T) {
	w := harness.Start(t, harness.Options{})
	l := startLoad(w)
	l.progress(t, 30*time.Second)
	pid := w.EnginePID()
	if pid == 0 {
		t.Fatal("the engine is not running")
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	l.progress(t, 60*time.Second)
	l.verify(t)
}

func TestTerminateDrains(t *testing.T) {
	w := harness.Start(t, harness.Options{})
	l := startLoad(w)
	l.progress(t, 30*time.Second)
	took, err := w.Stop()
	if err != nil || took > 20*time.Second {
		t.Fatalf("SIGTERM: ended after %s: %v\n%s", took, err, w.Log())
	}
	w.Restart()
	l.progress(t, 30*time.Second)
	l.verify(t)
}
