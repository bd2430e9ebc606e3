package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// parts are the long-running pieces of the program in order of dependence: a
// part may use those before it, so they start in order and stop in reverse,
// each only when all that came after it has ended.
type parts struct {
	log     *slog.Logger
	all     []*part
	started []*part
	failed  chan error // first failure of a running part
}

type part struct {
	name   string
	run    func(ctx context.Context) error
	grace  time.Duration // for its end once told to stop
	cancel context.CancelFunc
	done   chan struct{}
}

// defaultGrace bounds the end of one part; all together must be done within
// the 20 seconds that SIGTERM is given.
const defaultGrace = 6 * time.Second

// add appends a part. Its run blocks until ctx ends or it fails.
func (p *parts) add(name string, run func(ctx context.Context) error) {
	p.all = append(p.all, &part{name: name, run: run, grace: defaultGrace})
}

// start runs every part that was added and is not yet running.
func (p *parts) start() {
	if p.failed == nil {
		p.failed = make(chan error, 1)
	}
	for _, c := range p.all[len(p.started):] {
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel, c.done = cancel, make(chan struct{})
		p.started = append(p.started, c)
		go func() {
			defer close(c.done)
			err := c.run(ctx)
			if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
				return // told to
			}
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case p.failed <- fmt.Errorf("%s: %w", c.name, err):
			default: // only the first failure is told; the rest follow from it
			}
		}()
	}
}

// wait blocks until ctx ends or a part fails, and returns that failure.
func (p *parts) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// stop ends the parts in reverse order of their start. A part that does not
// end in time is named and left behind.
func (p *parts) stop() {
	for i := len(p.started) - 1; i >= 0; i-- {
		c := p.started[i]
		begun := time.Now()
		c.cancel()
		select {
		case <-c.done:
			if took := time.Since(begun); took > time.Second {
				p.log.Info("Stopped", "part", c.name, "took", took.Round(time.Millisecond))
			}
		case <-time.After(c.grace):
			p.log.Error("Part did not stop in time", "part", c.name, "waited", c.grace)
		}
	}
	p.started = nil
}
