// Package e2e uses a running Watchfire as its users do: with the clients of
// Prometheus, Loki, Tempo, Jaeger and Alertmanager, a real Prometheus that
// sends, and a real browser.
package e2e

import (
	"os"
	"sync"
	"testing"

	"github.com/watchfire/watchfire/test/harness"
)

// One Watchfire serves the tests that do not stop or configure it; each uses
// names, or a tenant, of its own.
var shared struct {
	once sync.Once
	w    *harness.Watchfire
	dir  string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.w != nil {
		if _, err := shared.w.Stop(); err != nil {
			shared.w.Kill()
		}
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func watchfire(t *testing.T) *harness.Watchfire {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "watchfire-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		shared.w = harness.StartShared(t, harness.Options{Data: dir})
	})
	if shared.w == nil {
		t.Fatal("Watchfire did not start, see the first test")
	}
	return shared.w
}
