package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Engine is a running embedded ClickHouse.
type Engine struct {
	cfg      Config
	metrics  *metrics
	dir      string
	log      *slog.Logger
	library  string
	command  []string
	args     []string
	lock     *os.File
	port     int
	password string

	mu      sync.Mutex
	proc    *process
	stopped bool
}

// Start starts the engine on its data folder and returns when it answers
// queries. ctx bounds the start only; end the engine with Stop, and have Run
// watch over it.
func Start(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	library, err := FindLibrary(cfg.Library)
	if err != nil {
		return nil, err
	}
	command, err := cfg.command()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve data folder %s: %w", cfg.Data, err)
	}
	if cfg.Backups == "" {
		cfg.Backups = filepath.Join(dir, "backups")
	}
	if cfg.Backups, err = filepath.Abs(cfg.Backups); err != nil {
		return nil, fmt.Errorf("cannot resolve backup folder: %w", err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "run"), filepath.Join(dir, "clickhouse"), cfg.Backups} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make folder %s: %w", d, err)
		}
	}
	lock, err := lockFolder(ctx, dir, cfg.LockTimeout)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, metrics: newMetrics(cfg.Registerer), dir: dir, log: cfg.Logger, library: library, command: command, lock: lock}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if err := e.start(ctx); err != nil {
		lock.Close()
		return nil, err
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	if err := checkFormat(e.dir); err != nil {
		return err
	}
	e.password = rand.Text()
	if e.cfg.Cluster != nil {
		e.password = e.cfg.Cluster.Password
	}
	for attempt := 1; ; attempt++ {
		var err error
		if e.port, err = freePort(); err != nil {
			return err
		}
		if err := e.writeConfig(); err != nil {
			return err
		}
		// Between finding a free port and listening on it, another process
		// may have taken it.
		err = e.launch(ctx)
		if err == nil || attempt == 3 || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
}

// writeConfig writes the child's configuration and arguments.
func (e *Engine) writeConfig() error {
	data, run := filepath.Join(e.dir, "clickhouse"), filepath.Join(e.dir, "run")
	s := newSettings(e.cfg, data, run, e.port, e.password)
	config, err := render(configTemplate, s)
	if err != nil {
		return err
	}
	users, err := render(usersTemplate, s)
	if err != nil {
		return err
	}
	configPath := filepath.Join(run, "config.xml")
	if err := errors.Join(replaceFile(configPath, config), replaceFile(filepath.Join(run, "users.xml"), users)); err != nil {
		return err
	}
	listen := "SYSTEM START LISTEN HTTP; "
	if e.cfg.Cluster != nil {
		listen += "SYSTEM START LISTEN TCP; "
	}
	e.args = []string{
		"--path=" + data, "--config-file=" + configPath,
		"--listen_host=127.0.0.1", "--http_port=" + strconv.Itoa(e.port),
		"--log-level=warning",
		// The engine lives as long as this query runs.
		"--query=" + listen + "SELECT sleepEachRow(3) FROM system.numbers FORMAT Null SETTINGS max_block_size=1",
	}
	return nil
}

// launch starts a child and waits until it answers.
func (e *Engine) launch(ctx context.Context) error {
	p, err := startProcess(e.command, e.cfg.Env, e.args, e.library, e.lock, e.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.StartTimeout,
		fmt.Errorf("the engine did not answer within %v (start_timeout)", e.cfg.StartTimeout))
	defer cancel()
	if err := e.waitReady(ctx, p); err != nil {
		return errors.Join(err, p.stop(context.Background()))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return errors.Join(errStopped, p.stop(context.Background()))
	}
	e.proc = p
	return nil
}

var errStopped = errors.New("the engine was stopped")

func (e *Engine) waitReady(ctx context.Context, p *process) error {
	const ready = "CREATE DATABASE IF NOT EXISTS " + database + " ENGINE = Atomic"
	// Whoever has taken our port may accept and never answer.
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.done:
			cancel()
		case <-alive.Done():
		}
	}()
	for {
		err := e.exec(alive, ready)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.exitError()
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// exec runs a statement without a database.
func (e *Engine) exec(ctx context.Context, sql string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/", e.port), strings.NewReader(sql))
	if err != nil {
		return err
	}
	req.SetBasicAuth(user, e.password)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// DSN is what storage.Open connects to; it stays the same over restarts of the
// child. It holds a password made at this start.
func (e *Engine) DSN() string { return e.dsn("http", e.port) }

// TCPDSN is the DSN of the native port of an engine in a test Cluster.
func (e *Engine) TCPDSN() string { return e.dsn("clickhouse", e.cfg.Cluster.TCPPort) }

func (e *Engine) dsn(scheme string, port int) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(user, e.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database}
	return u.String()
}

// Data is the data folder, absolute.
func (e *Engine) Data() string { return e.dir }

// PID is the process id of the child that runs now.
func (e *Engine) PID() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proc.cmd.Process.Pid
}

// Stop ends the engine and frees its folder. It is safe to call twice.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	stopped, p := e.stopped, e.proc
	e.stopped = true
	e.mu.Unlock()
	if stopped {
		return nil
	}
	return errors.Join(p.stop(ctx), e.lock.Close())
}

// freePort finds a TCP port of loopback that nobody listens on now.
var freePort = func() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("cannot find a free port for the engine: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
