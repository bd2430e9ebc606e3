package batch

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Run inserts what is added until ctx ends; then it refuses further rows and
// inserts what it has within DrainTimeout. What could not be stored by then
// was reported to its writers, and is in the error. Run must be called once.
func (b *Batcher[C]) Run(ctx context.Context) error {
	// Inserts outlive ctx, for the drain.
	sendCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(b.cfg.MaxDelay)
	defer timer.Stop()

	var sends sync.WaitGroup
	done, failed := ctx.Done(), 0
	for {
		batch, wait := b.next(time.Now())
		if batch != nil {
			sends.Go(func() {
				lost := b.send(sendCtx, batch)
				b.mu.Lock()
				defer b.mu.Unlock()
				if b.closed {
					failed += lost
				}
			})
			continue
		}
		if done == nil && b.idle() {
			break
		}
		timer.Reset(wait)
		select {
		case <-done:
			done = nil
			b.close()
			drain := time.AfterFunc(b.cfg.DrainTimeout, cancel)
			defer drain.Stop()
		case <-b.wake:
		case <-timer.C:
		}
	}
	sends.Wait()
	if failed > 0 {
		return fmt.Errorf("cannot store %d rows of table %s while shutting down within drain_timeout %s", failed, b.table, b.cfg.DrainTimeout)
	}
	return nil
}

// next takes the batch that is to be inserted now, and a slot for it, or says
// how long there is none unless something happens.
func (b *Batcher[C]) next(now time.Time) (*rows[C], time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inserts >= b.cfg.Slots {
		return nil, b.cfg.MaxDelay
	}
	var batch *rows[C]
	switch wait := b.waitLocked(now); {
	case wait > 0:
		return nil, wait
	case len(b.full) > 0:
		batch = b.full[0]
		b.full[0] = nil
		b.full = b.full[1:]
	default:
		batch, b.open = b.open, nil
	}
	b.inserts++
	return batch, 0
}

// worthwhile is the part of max_bytes from which a batch is worth an insert of
// its own: the cost of its rows outweighs that of one more part, and holding it
// back would only hold up its writers.
const worthwhile = 16

// waitLocked decides how long the oldest batch is to be held back.
func (b *Batcher[C]) waitLocked(now time.Time) time.Duration {
	if len(b.full) > 0 {
		return 0
	}
	if b.open == nil || b.open.opened.IsZero() {
		return b.cfg.MaxDelay
	}
	if b.closed || b.pending >= b.cfg.MaxPendingBytes {
		return 0
	}
	if b.inserts == 0 && b.open.size >= b.cfg.MaxBytes/worthwhile {
		return 0
	}
	latest := b.open.opened.Add(b.cfg.MaxDelay).Sub(now)
	if b.inserts > 0 && b.cfg.Duty < 1 {
		return latest
	}
	return min(latest, max(b.open.opened.Add(b.cfg.Linger).Sub(now), b.restTill.Sub(now)))
}

func (b *Batcher[C]) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inserts == 0 && b.open == nil && len(b.full) == 0
}

func (b *Batcher[C]) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.releaseLocked(0)
}
