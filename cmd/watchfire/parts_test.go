package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartsStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parts{log: slog.New(slog.DiscardHandler)}
		var ended []string
		for _, name := range []string{"engine", "writers", "server"} {
			p.add(name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // drains
				ended = append(ended, name)
				return ctx.Err()
			})
		}
		p.start()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); err != nil {
			t.Fatal(err)
		}
		p.stop()
		if got := strings.Join(ended, " "); got != "server writers engine" {
			t.Errorf("ended in order %q", got)
		}
	})
}

func TestPartsTellTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parts{log: slog.New(slog.DiscardHandler)}
		p.add("engine", func(context.Context) error { time.Sleep(time.Second); return errors.New("died") })
		p.add("writers", func(context.Context) error { time.Sleep(2 * time.Second); return nil })
		p.start()
		if err := p.wait(t.Context()); err == nil || err.Error() != "engine: died" {
			t.Errorf("got %v", err)
		}
		p.stop()
	})
}

func TestPartsLeaveTheStuckBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parts{log: slog.New(slog.DiscardHandler)}
		release := make(chan struct{})
		p.add("stuck", func(context.Context) error { <-release; return nil })
		p.start()
		begun := time.Now()
		p.stop()
		if took := time.Since(begun); took != defaultGrace {
			t.Errorf("waited %s, want %s", took, defaultGrace)
		}
		close(release)
	})
}
