package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a server that the benchmark started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  lastOutput
	done chan struct{} // closed when it has ended
	err  error         // of its end, readable after done
}

// stopTimeout is what SIGTERM is given before SIGKILL.
const stopTimeout = time.Minute

// startProcess runs a program. It dies with the benchmark: the signal for that
// follows the thread that started it, which therefore waits for its end.
func startProcess(name, path string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	return p, nil
}

// waitFor polls url until it answers 200, and returns the time that took.
func (p *process) waitFor(ctx context.Context, url string) (time.Duration, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err != nil {
			return 0, err
		} else if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(begun), nil
			}
		}
		select {
		case <-p.done:
			return 0, fmt.Errorf("%s ended before it was ready: %w\n%s", p.name, p.err, p.log.String())
		case <-ctx.Done():
			return 0, fmt.Errorf("%s is not ready: %w\n%s", p.name, ctx.Err(), p.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process and returns how long that took.
func (p *process) stop() (time.Duration, error) {
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && err != os.ErrProcessDone {
		return 0, err
	}
	select {
	case <-p.done:
		return time.Since(begun), nil
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
		return time.Since(begun), fmt.Errorf("%s was still running %s after SIGTERM\n%s", p.name, stopTimeout, p.log.String())
	}
}

// lastOutput keeps the end of what a process prints.
type lastOutput struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const outputBytes = 16 << 10

func (o *lastOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	if n := o.buf.Len() - outputBytes; n > 0 {
		o.buf.Next(n)
	}
	return len(p), nil
}

func (o *lastOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
