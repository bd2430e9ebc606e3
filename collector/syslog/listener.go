package syslog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/syslogreceiver"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
)

const (
	source     = "syslog"
	maxBatch   = 2000
	flushAfter = 100 * time.Millisecond
	firstWait  = 100 * time.Millisecond
	maxWait    = 5 * time.Second
	// drainFor is how long messages that wait when ctx ends are tried to be stored.
	drainFor = 4 * time.Second
)

// Options are what a listener works with.
type Options struct {
	Config Config
	Sink   collector.LogSink
	Counts *collector.Metrics
	Logger *slog.Logger
}

// Listener receives messages and writes them.
type Listener struct {
	Options
	receiver *embed.Receiver
	queue    chan message
}

// New makes a listener. The configuration has been validated.
func New(ctx context.Context, o Options) (*Listener, error) {
	l := &Listener{Options: o, queue: make(chan message, o.Config.queue())}
	r, err := embed.New(ctx, embed.Options{
		Name: "", Factory: syslogreceiver.NewFactory(), Settings: o.Config.settings(),
		Logger: o.Logger.With("listen", o.Config.Listen), Logs: l.consume,
	})
	l.receiver = r
	return l, err
}

// Run listens until ctx ends, and then stores what is waiting.
func (l *Listener) Run(ctx context.Context) error {
	written := make(chan struct{})
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { defer close(written); l.write(writing) }()
	err := l.receiver.Run(ctx)
	close(l.queue) // the receiver has stopped: nobody sends any more
	select {
	case <-written:
	case <-time.After(drainFor):
		stop()
		<-written
	}
	return err
}

// consume queues what the receiver has parsed.
func (l *Listener) consume(ctx context.Context, ld plog.Logs) error {
	now := time.Now()
	for i := range ld.ResourceLogs().Len() {
		for j := range ld.ResourceLogs().At(i).ScopeLogs().Len() {
			records := ld.ResourceLogs().At(i).ScopeLogs().At(j).LogRecords()
			for k := range records.Len() {
				if err := l.enqueue(ctx, parse(records.At(k), now)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (l *Listener) enqueue(ctx context.Context, m message) error {
	select {
	case l.queue <- m:
		return nil
	default:
	}
	if l.Config.datagrams() {
		l.Counts.Drop(source, "logs", 1)
		return nil
	}
	select {
	case l.queue <- m:
		return nil
	case <-ctx.Done():
		l.Counts.Drop(source, "logs", 1)
		return ctx.Err()
	}
}

// write stores batches until the queue is closed and empty.
func (l *Listener) write(ctx context.Context) {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		if err := l.store(ctx, batch); err != nil {
			l.Counts.Drop(source, "logs", len(batch))
			l.Logger.Error("lost syslog messages that could not be stored before the end", "messages", len(batch), "error", err)
		}
	}
}

func (l *Listener) take() (batch []message) {
	m, ok := <-l.queue
	if !ok {
		return nil
	}
	batch = append(batch, m)
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	for len(batch) < maxBatch {
		select {
		case m, ok := <-l.queue:
			if !ok {
				return batch
			}
			batch = append(batch, m)
		case <-flush.C:
			return batch
		}
	}
	return batch
}

func (l *Listener) store(ctx context.Context, batch []message) error {
	streams := l.streams(batch)
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		out, err := l.Sink.WriteLogs(ctx, l.Config.tenant(), streams)
		l.Counts.Count(source, "logs", len(batch), out, err)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(wait):
			l.Logger.Warn("cannot store syslog messages, trying again", "messages", len(batch), "error", err)
		}
	}
}
