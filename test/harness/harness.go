// Package harness runs the built binary as its users do: as a process with a
// data folder and ports of its own, driven over its public protocols. It
// imports no room of the project.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ReadyTimeout bounds a start: the machines that run the tests are busy.
const ReadyTimeout = 60 * time.Second

// Options says how to run the binary.
type Options struct {
	Data   string   // data folder, a temporary one when empty
	Config string   // text of the configuration file, none when empty
	Args   []string // further arguments of serve
	Env    []string // further environment
}

// Watchfire is a running `watchfire serve`.
type Watchfire struct {
	t    testing.TB
	opts Options
	cmd  *exec.Cmd
	log  *tail
	done chan struct{} // closed when the process has ended
	err  error         // of Wait, readable after done

	Data     string
	HTTP     string // base URL of the main listener
	OTLPGRPC string // host:port
	OTLPHTTP string // base URL
}

// Binary is the watchfire to drive: WATCHFIRE_BIN, or bin/watchfire above the
// package.
func Binary(t testing.TB) string {
	t.Helper()
	if b := os.Getenv("WATCHFIRE_BIN"); b != "" {
		return b
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		b := filepath.Join(d, "bin", "watchfire")
		if _, err := os.Stat(b); err == nil {
			return b
		}
	}
	Missing(t, "bin/watchfire is not built: run make build")
	return ""
}

// Missing skips a test that lacks something of the machine, or fails it where
// the set-up promises that everything is there.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("WATCHFIRE_TEST_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Tool is the path of a program that the tests drive.
func Tool(t testing.TB, name string) string {
	t.Helper()
	// The clients that the set-up builds win over a distribution's older ones.
	if dir, err := os.UserCacheDir(); err == nil {
		p := filepath.Join(dir, "watchfire", "bin", name)
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	Missing(t, name+" is not installed: run make setup")
	return ""
}

// FreeAddr is a loopback address whose port was free a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start runs the binary and waits until it is ready; the test's end stops it.
func Start(t testing.TB, o Options) *Watchfire {
	t.Helper()
	w := launch(t, o)
	t.Cleanup(w.stopQuietly)
	w.WaitReady()
	return w
}

// StartShared is Start for several tests: the caller stops it, and names the
// data folder.
func StartShared(t testing.TB, o Options) *Watchfire {
	t.Helper()
	w := launch(t, o)
	w.WaitReady()
	return w
}

func launch(t testing.TB, o Options) *Watchfire {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	w := &Watchfire{t: t, opts: o, Data: o.Data}
	addr, grpc, otlp := FreeAddr(t), FreeAddr(t), FreeAddr(t)
	w.HTTP, w.OTLPGRPC, w.OTLPHTTP = "http://"+addr, grpc, "http://"+otlp
	w.opts.Args = append([]string{"serve", "--data", o.Data, "--listen", addr, "--otlp-grpc", grpc, "--otlp-http", otlp}, o.Args...)
	if o.Config != "" {
		file := filepath.Join(t.TempDir(), "watchfire.yml")
		if err := os.WriteFile(file, []byte(o.Config), 0o600); err != nil {
			t.Fatal(err)
		}
		w.opts.Args = append(w.opts.Args, "--config", file)
	}
	w.start()
	return w
}

func (w *Watchfire) start() {
	w.t.Helper()
	w.log = &tail{}
	w.cmd = exec.Command(Binary(w.t), w.opts.Args...)
	w.cmd.Env = append(os.Environ(), w.opts.Env...)
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	// A test that dies must not leave servers behind.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		w.err = cmd.Wait()
		close(done)
	}(w.cmd, w.done)
}

// WaitReady waits for /-/ready and fails the test when it does not come.
func (w *Watchfire) WaitReady() {
	w.t.Helper()
	deadline := time.Now().Add(ReadyTimeout)
	for time.Now().Before(deadline) {
		select {
		case <-w.done:
			w.t.Fatalf("watchfire ended before it was ready: %v\n%s", w.err, w.Log())
		default:
		}
		if resp, err := http.Get(w.HTTP + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("watchfire was not ready within %s\n%s", ReadyTimeout, w.Log())
}

// Log is what the process printed last.
func (w *Watchfire) Log() string { return w.log.String() }

// PID of the process.
func (w *Watchfire) PID() int { return w.cmd.Process.Pid }

// Kill ends the process with SIGKILL and waits for it.
func (w *Watchfire) Kill() {
	w.t.Helper()
	_ = w.cmd.Process.Kill()
	<-w.done
}

// Restart starts the process again on the same data folder and ports.
func (w *Watchfire) Restart() {
	w.t.Helper()
	w.start()
	w.WaitReady()
}

// Stop ends the process with SIGTERM and returns how it ended and how long
// that took.
func (w *Watchfire) Stop() (time.Duration, error) {
	start := time.Now()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-w.done:
		return time.Since(start), w.err
	case <-time.After(30 * time.Second):
		return time.Since(start), errors.New("still running 30 s after SIGTERM")
	}
}

func (w *Watchfire) stopQuietly() {
	if _, err := w.Stop(); err != nil {
		w.Kill()
	}
	if w.t.Failed() {
		w.t.Logf("watchfire's log:\n%s", w.Log())
	}
}

// EnginePID is the process id of the embedded engine, 0 when there is none.
func (w *Watchfire) EnginePID() int {
	w.t.Helper()
	out, _ := exec.Command("pgrep", "-P", fmt.Sprint(w.PID()), "-f", "engine").Output()
	var pid int
	_, _ = fmt.Sscan(string(out), &pid)
	return pid
}

// Do sends a request and returns status and body.
func (w *Watchfire) Do(method, path, contentType string, body []byte, header ...string) (int, string) {
	w.t.Helper()
	status, text, err := w.TryDo(method, path, contentType, body, header...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, text
}

// TryDo is Do for requests that may fail; header alternates names and values.
func (w *Watchfire) TryDo(method, path, contentType string, body []byte, header ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// Get is Do for the usual case; any status but 200 fails the test.
func (w *Watchfire) Get(path string) string {
	w.t.Helper()
	status, text := w.Do(http.MethodGet, path, "", nil)
	if status != http.StatusOK {
		w.t.Fatalf("GET %s: status %d: %s", path, status, text)
	}
	return text
}

// Eventually retries check until it returns nil, and fails the test with its
// last error after the time given.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Run runs a client and returns its output; a failure fails the test.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := TryRun(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// TryRun runs a client that may fail.
func TryRun(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, Tool(t, name), args...).CombinedOutput()
	return string(out), err
}

// TryRunBinary runs a subcommand of the binary.
func TryRunBinary(t testing.TB, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, Binary(t), args...).CombinedOutput()
	return string(out), err
}

// tail keeps the last lines that a process printed.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  []byte
}

const tailLines = 200

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := bufio.NewScanner(bytes.NewReader(append(l.part, p...)))
	s.Buffer(nil, 1<<20)
	l.part = nil
	for s.Scan() {
		l.lines = append(l.lines, s.Text())
	}
	if len(p) > 0 && p[len(p)-1] != '\n' && len(l.lines) > 0 {
		l.part = []byte(l.lines[len(l.lines)-1])
		l.lines = l.lines[:len(l.lines)-1]
	}
	if n := len(l.lines) - tailLines; n > 0 {
		l.lines = l.lines[n:]
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
