package engine_test

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
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// parentEnv makes the test binary a server that only runs an engine, for tests
// of what happens when it dies.
const parentEnv = "WATCHFIRE_TEST_PARENT"

func TestMain(m *testing.M) {
	engine.MaybeChild()
	if dir := os.Getenv(parentEnv); dir != "" {
		e, err := engine.Start(context.Background(), enginetest.Config(dir))
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("pid:", e.PID())
		fmt.Println("dsn:", e.DSN())
		select {}
	}
	code := enginetest.Run(m)
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func start(t *testing.T, cfg engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func open(t *testing.T, e *engine.Engine) *storage.Client {
	t.Helper()
	c, err := storage.Open(t.Context(), storage.Options{DSN: e.DSN()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// gone tells that a process has ended, reaped or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	state := string(stat[bytes.LastIndexByte(stat, ')')+2])
	return state == "Z" || state == "X"
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 15 s", what)
}

// value runs a query of one row with one UInt64.
func value(t *testing.T, c *storage.Client, sql string) uint64 {
	t.Helper()
	rows, err := c.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var n uint64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDataSurvivesRestartsAndKills(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	e := start(t, enginetest.Config(dir))
	t.Logf("first answer after %v", time.Since(began))
	c := open(t, e)
	for _, sql := range []string{
		"CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO kept VALUES (1), (2)",
	} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pid := e.PID()
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Errorf("engine process %d lives after Stop", pid)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("ping of a stopped engine: %v, want ErrUnavailable", err)
	}

	began = time.Now()
	e = start(t, enginetest.Config(dir))
	t.Logf("second start: first answer after %v", time.Since(began))
	c = open(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	if n := value(t, c, "SELECT count() FROM kept"); n != 2 {
		t.Fatalf("got %d rows after a restart, want 2", n)
	}

	pid = e.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	eventually(t, "the client answers again", func() bool { return e.PID() != pid && c.Ping(t.Context()) == nil })
	t.Logf("back after kill -9 within %v", time.Since(began))
	if n := value(t, c, "SELECT count() FROM kept"); n != 2 {
		t.Errorf("got %d rows after a kill, want 2", n)
	}
	pid = e.PID()
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if !gone(pid) {
		t.Errorf("engine process %d lives after Run", pid)
	}
}

// parent starts a server process on dir and returns it with its engine's pid
// and DSN.
func parent(t *testing.T, dir string) (cmd *exec.Cmd, pid int, dsn string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	s := bufio.NewScanner(out)
	for s.Scan() {
		key, v, _ := strings.Cut(s.Text(), ": ")
		switch key {
		case "pid":
			fmt.Sscan(v, &pid)
		case "dsn":
			return cmd, pid, v
		default:
			t.Fatalf("the server process says %q", s.Text())
		}
	}
	t.Fatal("the server process says nothing")
	return nil, 0, ""
}

func TestFolderBelongsToOneServer(t *testing.T) {
	dir := t.TempDir()
	first, child, _ := parent(t, dir)
	cfg := enginetest.Config(dir)
	cfg.LockTimeout = 100 * time.Millisecond
	_, err := engine.Start(t.Context(), cfg)
	if err == nil {
		t.Fatal("two servers share a folder")
	}
	for _, want := range []string{dir, fmt.Sprint(first.Process.Pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}

	// The server is killed: its engine must die with it, and a new server gets
	// the folder.
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	e := start(t, enginetest.Config(dir))
	t.Logf("took the folder of a killed server over within %v", time.Since(began))
	if !gone(child) {
		t.Errorf("engine %d outlives its server", child)
	}
	if err := open(t, e).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStrangersGetNothing(t *testing.T) {
	e := start(t, enginetest.Config(t.TempDir()))
	host, _, _ := strings.Cut(e.DSN()[strings.LastIndex(e.DSN(), "@")+1:], "/")
	for _, sql := range []string{
		"SELECT * FROM system.users", "SELECT name FROM system.tables", "SELECT * FROM file('/etc/passwd', LineAsString)",
		"SYSTEM STOP LISTEN HTTP", "SELECT number FROM system.numbers LIMIT 1",
		"CREATE TABLE x (n UInt8) ENGINE = Memory", "SYSTEM SHUTDOWN", "DROP DATABASE watchfire", "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
	} {
		for _, user := range []string{"default", "watchfire"} {
			resp, err := http.Post("http://"+host+"/?user="+user, "text/plain", strings.NewReader(sql))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				t.Errorf("%s may %q: %s", user, sql, body)
			}
		}
	}
	info, err := os.Stat(filepath.Join(e.Data(), "run", "users.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("users.xml has mode %v", info.Mode())
	}
}

func TestStartTellsWhatIsWrong(t *testing.T) {
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "format"), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(broken, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*engine.Config)
		want   string
	}{
		"no data folder":  {func(c *engine.Config) { c.Data = "" }, "data: name the folder"},
		"little memory":   {func(c *engine.Config) { c.MemoryBytes = 1 << 20 }, "memory_bytes: 1048576 is less than"},
		"missing library": {func(c *engine.Config) { c.Library = "/nowhere/libchdb.so" }, "/nowhere/libchdb.so"},
		"broken library":  {func(c *engine.Config) { c.Library = broken }, "cannot load the engine library"},
		"newer format":    {func(c *engine.Config) { c.Data = newer }, "has format 99, this build knows formats up to"},
		"no time":         {func(c *engine.Config) { c.StartTimeout = time.Millisecond }, "did not answer within 1ms (start_timeout)"},
		"no command":      {func(c *engine.Config) { c.Command = []string{"/nowhere/watchfire"} }, "/nowhere/watchfire"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := enginetest.Config(t.TempDir())
			test.change(&cfg)
			e, err := engine.Start(t.Context(), cfg)
			if err == nil {
				e.Stop(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it", err, test.want)
			}
		})
	}
}

func TestStartIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	dir := t.TempDir()
	if e, err := engine.Start(ctx, enginetest.Config(dir)); err == nil {
		e.Stop(context.Background())
		t.Skip("started within 50 ms")
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Nothing is left behind that holds the folder.
	cfg := enginetest.Config(dir)
	cfg.LockTimeout = time.Millisecond
	start(t, cfg)
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	ports := []int{taken.Addr().(*net.TCPAddr).Port, free.Addr().(*net.TCPAddr).Port}
	defer engine.SetFreePort(func() (int, error) {
		p := ports[0]
		ports = ports[1:]
		return p, nil
	})()
	start(t, enginetest.Config(t.TempDir()))
	if len(ports) > 0 {
		t.Error("the taken port was not tried")
	}
}

func TestBusyEngine(t *testing.T) {
	cfg := enginetest.Config(t.TempDir())
	cfg.MaxQueries = 8
	e := start(t, cfg)
	c := open(t, e)
	slow := func(ctx context.Context, onBlock func(int) error) error {
		_, err := c.Select(ctx, storage.Select{SQL: "SELECT number FROM system.numbers", Result: proto.Results{{Data: new(proto.ColUInt64)}}, OnBlock: onBlock})
		return err
	}
	// More than may run at once: each holds its place until all have begun.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make(chan error)
	for range cfg.MaxQueries + 1 {
		go func() {
			errs <- slow(ctx, func(int) error { <-ctx.Done(); return ctx.Err() })
		}()
	}
	if err := <-errs; !errors.Is(err, storage.ErrUnavailable) || storage.Permanent(err) {
		t.Errorf("one query too many: %v, want ErrUnavailable", err)
	}
	cancel()
	for range cfg.MaxQueries {
		if err := <-errs; !errors.Is(err, context.Canceled) && !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}

	var err error
	// An engine that dies amid a result must not pass for the result's end.
	eventually(t, "the others leave", func() bool { err = c.Ping(t.Context()); return err == nil })
	err = slow(t.Context(), func(int) error { return syscall.Kill(e.PID(), syscall.SIGKILL) })
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("killed amid a result: %v, want ErrUnavailable", err)
	}
}

func TestHungEngineIsReplaced(t *testing.T) {
	cfg := enginetest.Config(t.TempDir())
	cfg.HangTimeout = time.Second
	reg := prometheus.NewPedanticRegistry()
	cfg.Registerer = reg
	e := start(t, cfg)
	c := open(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	pid := e.PID()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another engine answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return e.PID() != pid && c.Ping(ctx) == nil
	})
	if n, err := testutil.GatherAndCount(reg, "watchfire_engine_restarts_total"); n != 1 || err != nil {
		t.Errorf("%d metrics of restarts, %v", n, err)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
