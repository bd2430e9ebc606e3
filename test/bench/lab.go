package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// lab is where one benchmark runs: a folder, and what must be stopped at its
// end.
type lab struct {
	dir   string
	keep  bool
	out   io.Writer
	stops []func() error
}

func newLab(parent string, keep bool, out io.Writer) (*lab, error) {
	dir, err := os.MkdirTemp(parent, "watchfire-bench-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder for the data (flag -dir): %w", err)
	}
	return &lab{dir: dir, keep: keep, out: out}, nil
}

// atEnd has f called by close; the last comes first.
func (l *lab) atEnd(f func() error) { l.stops = append(l.stops, f) }

func (l *lab) close() error {
	var errs []error
	for i := len(l.stops) - 1; i >= 0; i-- {
		errs = append(errs, l.stops[i]())
	}
	if l.keep {
		l.note("kept %s", l.dir)
	} else {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// note prints a line between the tables.
func (l *lab) note(format string, args ...any) { fmt.Fprintf(l.out, format+"\n", args...) }

// folder makes a folder below the lab's.
func (l *lab) folder(name string) (string, error) {
	dir := filepath.Join(l.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// watchfireBinary is the program under test.
func watchfireBinary() (string, error) {
	if b := os.Getenv("WATCHFIRE_BIN"); b != "" {
		return b, nil
	}
	b, err := filepath.Abs(filepath.Join("bin", "watchfire"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(b); err != nil {
		return "", errors.New("bin/watchfire is not built: run make bench, or make build and set WATCHFIRE_BIN")
	}
	return b, nil
}

// tool finds a program of a Debian package.
func tool(name, debian string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: run make setup, or install Debian's package %s", name, debian)
	}
	return path, nil
}

// freeAddr is a loopback address whose port was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// machine describes where the figures come from.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	model := ""
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if rest, ok := bytes.CutPrefix(line, []byte("model name")); ok {
			model = ", " + strings.TrimLeft(strings.TrimSpace(string(rest)), ": \t")
			break
		}
	}
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d CPUs%s; load average before: %s", runtime.NumCPU(), model, first)
}
