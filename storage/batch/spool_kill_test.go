package batch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// A killed process must lose nothing that it acknowledged and double nothing.
// The test runs itself as a child that spools and drains at once, and kills
// it twenty times.
func TestSpoolKill9(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[uint64]bool{}
	attempted := uint64(0)
	for range 20 {
		attempted = killedChild(t, dir, attempted, acknowledged)
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d blocks acknowledged in 20 rounds", len(acknowledged))
	}

	// What is left on disk goes to the same server.
	cfg := spoolConfig(filepath.Join(dir, "spool"))
	server := &fileSink{path: filepath.Join(dir, "server")}
	s := openSpool(t, cfg, server)
	run(t, s)
	waitDrained(t, s)

	lines, err := os.ReadFile(server.path)
	if err != nil {
		t.Fatal(err)
	}
	tokens, stored := map[string]bool{}, map[uint64]int{}
	for line := range strings.Lines(string(lines)) {
		token, n, _ := strings.Cut(strings.TrimSpace(line), " ")
		if tokens[token] {
			continue // as ClickHouse does
		}
		tokens[token] = true
		v, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		stored[v]++
	}
	for n := range acknowledged {
		if stored[n] != 1 {
			t.Errorf("%d was acknowledged and is stored %d times", n, stored[n])
		}
	}
	for n, times := range stored {
		if times > 1 {
			t.Errorf("%d is stored %d times", n, times)
		}
	}
	t.Logf("%d blocks attempted, %d acknowledged, %d stored, %d inserts", attempted, len(acknowledged), len(stored), strings.Count(string(lines), "\n"))
}

// killedChild lets a child insert numbers from first on, kills it, and returns
// the first number that it did not attempt.
func killedChild(t *testing.T, dir string, first uint64, acknowledged map[uint64]bool) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSpoolKill9Child$")
	cmd.Env = append(os.Environ(), "WATCHFIRE_TEST_SPOOL="+dir, fmt.Sprint("WATCHFIRE_TEST_FIRST=", first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	next := first
	r := bufio.NewReader(out)
	var kill *time.Timer
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // a line without its end was not acknowledged either
		}
		if kill == nil {
			kill = time.AfterFunc(rand.N(60*time.Millisecond), func() { cmd.Process.Kill() })
		}
		var n uint64
		if _, err := fmt.Sscanf(line, "try %d", &n); err == nil {
			next = max(next, n+1)
		} else if _, err := fmt.Sscanf(line, "ok %d", &n); err == nil {
			acknowledged[n] = true
		} else {
			t.Errorf("the child says %q", line)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v", err)
	}
	return next
}

func TestSpoolKill9Child(t *testing.T) {
	dir := os.Getenv("WATCHFIRE_TEST_SPOOL")
	if dir == "" {
		t.Skip("runs as the child of TestSpoolKill9")
	}
	first, err := strconv.ParseUint(os.Getenv("WATCHFIRE_TEST_FIRST"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	server := &fileSink{path: filepath.Join(dir, "server")}
	go func() {
		for {
			time.Sleep(rand.N(20 * time.Millisecond))
			server.down.Store(!server.down.Load())
		}
	}()
	server.down.Store(true)
	cfg := spoolConfig(filepath.Join(dir, "spool"))
	cfg.SegmentBytes = 2000
	s, err := NewSpool(cfg, server, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())

	var next atomic.Uint64
	next.Store(first)
	var out sync.Mutex
	say := func(what string, n uint64) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, n)
	}
	for range 2 {
		go func() {
			for {
				n := next.Add(1) - 1
				say("try", n)
				if err := s.Insert(context.Background(), block(t, "numbers", newToken(), n)); err != nil {
					say("error "+err.Error(), n)
					continue
				}
				say("ok", n)
			}
		}()
	}
	time.Sleep(time.Minute)
	t.Fatal("nobody killed the child")
}

// fileSink writes "token number" lines, which survive the process.
type fileSink struct {
	path string
	down atomic.Bool
}

func (f *fileSink) Insert(_ context.Context, b storage.Block) error {
	if f.down.Load() {
		return errUnavailable
	}
	ns, err := decode(b)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.WriteString(file, fmt.Sprintln(b.Token, ns[0]))
	return err
}
