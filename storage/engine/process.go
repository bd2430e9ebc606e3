package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one run of the child.
type process struct {
	cmd  *exec.Cmd
	logs *logForwarder
	done chan struct{} // closed when the child is gone and its log is read
	err  error         // why it went; valid after done
}

// startProcess starts the child. lock is inherited, so that the folder stays
// locked until the child is gone even when this process is killed.
func startProcess(command, env, args []string, library string, lock *os.File, log *slog.Logger) (*process, error) {
	p := &process{done: make(chan struct{}), logs: newLogForwarder(log)}
	argv := append(append(append([]string{}, command[1:]...), "--"), args...)
	p.cmd = exec.Command(command[0], argv...)
	p.cmd.Env = append(append(os.Environ(), env...), childEnv+"="+library)
	p.cmd.ExtraFiles = []*os.File{lock}
	// A session of its own: a terminal's Ctrl-C must not reach the engine
	// before we have drained, and SYSTEM SHUTDOWN signals the whole group.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the engine's log: %w", err)
	}
	p.cmd.Stdout = p.cmd.Stderr // some errors of the start go there
	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that started the child ends, so it
		// must not be one that the runtime retires.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.logs.read(stderr)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start the engine as %q: %w", command, err)
	}
	return p, nil
}

// exitError says how the child ended, with the end of its log.
func (p *process) exitError() error {
	reason := "exit status 0"
	if p.err != nil {
		reason = p.err.Error()
	}
	if tail := p.logs.tail(); tail != "" {
		return fmt.Errorf("the engine ended (%s): %s", reason, tail)
	}
	return fmt.Errorf("the engine ended (%s)", reason)
}

// stop ends the child and waits for it. The engine is crash-safe: SIGTERM ends
// it at once, and what was acknowledged is on disk.
func (p *process) stop(ctx context.Context) error {
	p.signal(syscall.SIGTERM)
	grace := time.NewTimer(5 * time.Second)
	defer grace.Stop()
	select {
	case <-p.done:
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	p.signal(syscall.SIGKILL)
	select {
	case <-p.done:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("engine process %d does not end on SIGKILL", p.cmd.Process.Pid)
	}
}

func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.logs.log.Warn("cannot signal the engine", "signal", s.String(), "err", err)
	}
}
