package batch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// send inserts a closed batch, gives its slot back, tells its writers, and
// returns how many rows are not stored.
func (b *Batcher[C]) send(ctx context.Context, batch *rows[C]) int {
	began := time.Now()
	n := batch.cols.Rows()
	block, err := storage.NewBlock(b.table, newToken(), n, batch.cols.Input())
	reason := "encode"
	permanent := err != nil
	if err == nil {
		// The block is a copy: the columns can take rows while it is inserted.
		b.reuse(batch.cols)
		err = b.insert(ctx, block)
		reason = "unavailable"
		if permanent = isPermanent(err); permanent {
			reason = "permanent"
		}
	}
	took := time.Since(began)
	b.metrics.seconds.Observe(took.Seconds())
	b.metrics.batch.Observe(float64(n))

	lost := 0
	if err == nil {
		b.metrics.rows.Add(float64(n))
		b.metrics.bytes.Add(float64(len(block.Native)))
	} else {
		lost = n
		b.metrics.failedRows.WithLabelValues(reason).Add(float64(n))
		b.log.Error("batch not stored", "rows", n, "reason", reason, "token", block.Token, "err", err)
		err = &InsertError{Table: b.table, Rows: n, Permanent: permanent, Err: err}
	}
	b.release(batch.size, took)
	batch.commit.finish(err)
	return lost
}

// release gives a slot and the memory of its batch back.
func (b *Batcher[C]) release(size int, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inserts--
	b.restTill = time.Now().Add(rest(took, b.cfg.Duty))
	b.releaseLocked(size)
	b.signal()
}

// rest is how long to pause after an insert so that inserting takes the share
// duty of the time.
func rest(took time.Duration, duty float64) time.Duration {
	return time.Duration(float64(took) * (1/duty - 1))
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// insert tries until the block is stored, an error is permanent, RetryTimeout
// is over, the spool is full or ctx ends. The error is the last attempt's.
func (b *Batcher[C]) insert(ctx context.Context, block storage.Block) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.RetryTimeout)
	defer cancel()
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := b.attempt(ctx, block)
		if err == nil || isPermanent(err) || errors.Is(err, ErrFull) || ctx.Err() != nil {
			return err
		}
		b.log.Warn("insert failed, will retry", "rows", block.Rows, "token", block.Token, "err", err)
		select {
		case <-time.After(backoff/2 + mathrand.N(backoff/2)):
			b.metrics.retries.Inc()
		case <-ctx.Done():
			return err
		}
	}
}

func (b *Batcher[C]) attempt(ctx context.Context, block storage.Block) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.InsertTimeout)
	defer cancel()
	return b.sink.Insert(ctx, block)
}

// isPermanent reports whether the same block will never be accepted.
func isPermanent(err error) bool { return err != nil && storage.Permanent(err) }

// newToken makes an insert_deduplication_token that no other batch has.
func newToken() string {
	var t [16]byte
	rand.Read(t[:])
	return hex.EncodeToString(t[:])
}
