package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

func push(t *testing.T, w *harness.Watchfire, labels map[string]string, at time.Time, lines ...string) {
	t.Helper()
	status, text, err := w.PushLines(labels, at, lines...)
	if err != nil || status != http.StatusNoContent {
		t.Fatalf("push: status %d, error %v: %s", status, err, text)
	}
}

func TestLogcli(t *testing.T) {
	w := watchfire(t)
	labels := map[string]string{"service_name": "logcli-shop", "cluster": "north"}
	push(t, w, labels, time.Now().Add(-time.Minute), `level=info msg="order 17 placed"`, `level=error msg="payment 连接失败"`, `level=info msg="order 18 placed"`)

	logcli := func(args ...string) string {
		return harness.Run(t, "logcli", append([]string{"--addr", w.HTTP, "-q"}, args...)...)
	}
	if out := logcli("query", `{service_name="logcli-shop"} |= "rder 1"`, "--forward", "-o", "raw"); !strings.Contains(out, "order 17") || !strings.Contains(out, "order 18") || strings.Contains(out, "payment") {
		t.Errorf("a substring:\n%s", out)
	}
	if out := logcli("query", `{service_name="logcli-shop"} | logfmt | level="error"`, "-o", "raw"); !strings.Contains(out, "连接失败") || strings.Contains(out, "order") {
		t.Errorf("a parsed label:\n%s", out)
	}
	if out := logcli("instant-query", `sum by (cluster) (count_over_time({service_name="logcli-shop"}[5m]))`); !strings.Contains(out, `"3"`) {
		t.Errorf("a count:\n%s", out)
	}
	if out := logcli("labels", "cluster"); !strings.Contains(out, "north") {
		t.Errorf("label values:\n%s", out)
	}
	if out := logcli("series", `{service_name="logcli-shop"}`); !strings.Contains(out, "north") {
		t.Errorf("series:\n%s", out)
	}
	if out := logcli("stats", `{service_name="logcli-shop"}`); !strings.Contains(out, "entries") {
		t.Errorf("stats:\n%s", out)
	}
	if out, err := harness.TryRun(t, "logcli", "--addr", w.HTTP, "query", `{service_name=`); err == nil || !strings.Contains(out, "parse error") {
		t.Errorf("a bad query: %v\n%s", err, out)
	}
}

func TestLogcliTail(t *testing.T) {
	w := watchfire(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Tool(t, "logcli"), "--addr", w.HTTP, "-q", "query", "--tail", `{service_name="tailed"}`, "-o", "raw")
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	harness.Eventually(t, 25*time.Second, func() error {
		push(t, w, map[string]string{"service_name": "tailed"}, time.Now(), "live as it happens")
		return out.contains("live as it happens")
	})
}
