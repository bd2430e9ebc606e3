package recordstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is the package's one PostgreSQL. It listens on a socket in its own
// folder only.
var server postgres

type postgres struct {
	once      sync.Once
	dir       string
	process   *os.Process
	exited    chan error
	stopping  chan struct{}
	databases atomic.Int64
	err       error
}

// Postgres returns the DSN of an empty database. Where PostgreSQL is not
// installed the test is skipped, or fails if WATCHFIRE_TEST_REQUIRE=1 or
// CI=true.
func Postgres(t testing.TB) string {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		if os.Getenv("WATCHFIRE_TEST_REQUIRE") == "1" || os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	server.once.Do(func() { server.err = server.start(bin) })
	if server.err != nil {
		t.Fatalf("cannot start PostgreSQL: %v", server.err)
	}
	name := fmt.Sprint("test", server.databases.Add(1))
	// Collated as people expect: the order by bytes must come from us.
	if err := server.exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"); err != nil {
		t.Fatal(err)
	}
	return server.dsn(name)
}

// binaries finds the newest installed PostgreSQL.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // Debian
	if len(found) == 0 {
		if path, err := exec.LookPath("postgres"); err == nil {
			return filepath.Dir(path), nil
		}
		return "", errors.New("PostgreSQL is not installed; on Debian: apt-get install postgresql")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

func (p *postgres) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", database, p.dir)
}

func (p *postgres) start(bin string) error {
	credential, err := unprivileged()
	if err != nil {
		return err
	}
	// Not t.TempDir: another user could not reach it.
	if p.dir, err = os.MkdirTemp("", "watchfire-pg-"); err != nil {
		return err
	}
	if credential != nil {
		if err := os.Chown(p.dir, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(p.dir, "data")
	command := func(name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = p.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGQUIT}
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd, out
	}
	initdb, out := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	cmd, out := command("postgres", "-D", data, "-k", p.dir, "-h", "", "-F", "-c", "shared_buffers=16MB", "-c", "max_connections=60")
	p.exited, p.stopping = make(chan error, 1), make(chan struct{})
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that forked ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-p.stopping
	}()
	if err := <-started; err != nil {
		close(p.stopping)
		return err
	}
	p.process = cmd.Process
	go func() { p.exited <- cmd.Wait() }()
	return p.waitReady(out)
}

func (p *postgres) waitReady(out *bytes.Buffer) error {
	var err error
	for range 300 {
		if err = p.exec("SELECT 1"); err == nil {
			return nil
		}
		select {
		case exit := <-p.exited:
			p.exited <- exit
			return fmt.Errorf("postgres: %w: %s", exit, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return err
}

func (p *postgres) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (p *postgres) stop() error {
	if p.process != nil {
		p.process.Signal(syscall.SIGINT) // fast shutdown
		select {
		case <-p.exited:
		case <-time.After(20 * time.Second):
			p.process.Kill()
			<-p.exited
		}
		close(p.stopping)
	}
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// unprivileged is who PostgreSQL runs as: it refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL can't run as root, and there is no other user: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
