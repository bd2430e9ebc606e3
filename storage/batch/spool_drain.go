package batch

import (
	"context"
	"sync"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// Run drains the spool until ctx ends. Insert works without it, but then
// nothing leaves the disk.
func (s *Spool) Run(ctx context.Context) error {
	slots := make(chan struct{}, s.cfg.Drains)
	var drains sync.WaitGroup
	defer drains.Wait()
	for {
		for _, q := range s.undrained() {
			drains.Go(func() { s.drain(ctx, q, slots) })
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// undrained returns the queues that need a drain; they are marked as having
// one.
func (s *Spool) undrained() (queues []*queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.mu.Lock()
		if !q.draining && len(q.segments) > 0 {
			q.draining = true
			queues = append(queues, q)
		}
		q.mu.Unlock()
	}
	return queues
}

// drain brings the blocks of q to next until none is left or ctx ends. A slot
// is held while a block is read and inserted, not while waiting, which bounds
// the blocks in memory.
func (s *Spool) drain(ctx context.Context, q *queue, slots chan struct{}) {
	backoff := firstBackoff
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		more, err := s.drainOne(ctx, q)
		<-slots
		if !more {
			s.log.Info("spool drained", "table", q.table)
			return
		}
		if err == nil {
			backoff = firstBackoff
			continue
		}
		if backoff > time.Second && ctx.Err() == nil {
			s.log.Warn("spool waits", "table", q.table, "backoff", backoff, "err", err)
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// drainOne tries to bring the oldest block of q to next. more is false when
// there is none, and q is no longer drained; an error asks to try again later.
func (s *Spool) drainOne(ctx context.Context, q *queue) (more bool, err error) {
	out := q.head()
	for _, err := range out.corrupt {
		s.metrics.corrupt.Inc()
		s.log.Error("spooled block is lost", "table", q.table, "dir", q.corruptDir, "err", err)
	}
	s.metrics.observe(q.table, q)
	s.metrics.observeOldest(q.table, out.spooled)
	if out.err != nil || !out.ok {
		return out.err != nil, out.err
	}
	err = s.pass(ctx, out.block)
	if err != nil && !isPermanent(err) {
		q.buf = nil // not to be kept for an outage
		return true, err
	}
	s.resolve(q, out.block, err)
	return true, nil
}

// resolve ends the record of b: it is stored, or err is permanent.
func (s *Spool) resolve(q *queue, b storage.Block, err error) {
	state := byte(stateDone)
	if err == nil {
		s.metrics.drained.Inc()
	} else {
		state = stateRejected
		s.metrics.rejected.Inc()
		s.log.Error("spooled block rejected, kept aside", "table", b.Table, "rows", b.Rows, "token", b.Token, "dir", q.rejectedDir, "err", err)
	}
	if err := q.resolve(state); err != nil {
		s.log.Warn("cannot mark spooled block as done, may insert it again", "table", b.Table, "token", b.Token, "err", err)
	}
}
