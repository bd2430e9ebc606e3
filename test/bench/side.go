package main

import (
	"context"
	"fmt"
	"time"
)

// side is one of the servers that are compared. It can be stopped and started
// again on its data.
type side struct {
	name string
	url  string // of its HTTP API
	otlp string // of OTLP over HTTP, Watchfire's only
	data string // folder

	path string
	args []string
	proc *process
}

// remoteWrite is where samples are pushed to.
func (s *side) remoteWrite() string { return s.url + "/api/v1/write" }

// start runs the server and returns the time until it was ready.
func (s *side) start(ctx context.Context) (time.Duration, error) {
	p, err := startProcess(s.name, s.path, s.args...)
	if err != nil {
		return 0, err
	}
	s.proc = p
	return p.waitFor(ctx, s.url+"/-/ready")
}

// stop ends the server, if it runs, and returns the time that took.
func (s *side) stop() (time.Duration, error) {
	if s.proc == nil {
		return 0, nil
	}
	p := s.proc
	s.proc = nil
	return p.stop()
}

// restartCold starts the server again with none of its files in memory.
func (s *side) restartCold(ctx context.Context) error {
	if _, err := s.stop(); err != nil {
		return err
	}
	if err := evict(s.data); err != nil {
		return err
	}
	_, err := s.start(ctx)
	return err
}

func (s *side) pid() int { return s.proc.cmd.Process.Pid }

// alive tells how the server ended, if it has.
func (s *side) alive() error {
	select {
	case <-s.proc.done:
		return fmt.Errorf("%s has ended: %v\n%s", s.name, s.proc.err, s.proc.log.String())
	default:
		return nil
	}
}

// startSide starts it and has the lab stop it.
func (l *lab) startSide(ctx context.Context, s *side) (*side, error) {
	l.atEnd(func() error { _, err := s.stop(); return err })
	if _, err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// cost is what a side spent on a piece of work.
type cost struct {
	begun   time.Time
	cpu     float64 // CPU-seconds
	peak    uint64  // bytes of PSS
	wall    time.Duration
	root    int
	endPeak func() uint64
}

// measure begins to count what s spends.
func (s *side) measure() (*cost, error) {
	cpu, err := cpuSeconds(s.pid())
	if err != nil {
		return nil, err
	}
	return &cost{begun: time.Now(), cpu: -cpu, root: s.pid(), endPeak: watchPeak(s.pid())}, nil
}

// soFar is the CPU-seconds since measure.
func (c *cost) soFar() float64 {
	cpu, _ := cpuSeconds(c.root)
	return cpu + c.cpu
}

// end waits for the work that the side has put off, at most for long, and
// counts it too.
func (c *cost) end(ctx context.Context, long time.Duration) error {
	c.wall = time.Since(c.begun)
	err := settle(ctx, c.root, long)
	c.peak = c.endPeak()
	c.cpu = c.soFar()
	return err
}
