package records

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Lead waits for a lease and runs fn while it is held, over and over until ctx
// ends or fn returns an error while it is leading; that error is returned, and
// nil when ctx ends. fn's context ends when the lease is lost, with ErrLost as
// its cause, at the latest when it would expire by the local monotonic clock;
// fn must return soon then. When fn returns nil the lease is given up and
// waited for again.
//
// A holder is one replica; ttl is how long others wait for it when it dies.
func (db *DB) Lead(ctx context.Context, name, holder string, ttl time.Duration, fn func(ctx context.Context, l Lease) error) error {
	for {
		asked := time.Now()
		l, err := db.Acquire(ctx, name, holder, ttl)
		if err == nil {
			db.log.Info("leading", "lease", name, "holder", holder, "token", l.Token)
			if err := db.leadOnce(ctx, l, asked, ttl, fn); err != nil && ctx.Err() == nil {
				return err
			}
			db.log.Info("not leading any more", "lease", name, "holder", holder, "token", l.Token)
		} else if !errors.Is(err, ErrHeld) && ctx.Err() == nil {
			db.log.Warn("cannot ask for lease", "lease", name, "err", err)
		}
		select {
		case <-time.After(ttl / 3):
		case <-ctx.Done():
			return nil
		}
	}
}

func (db *DB) leadOnce(ctx context.Context, l Lease, asked time.Time, ttl time.Duration, fn func(context.Context, Lease) error) error {
	leading, cancel := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { db.keep(leading, cancel, l, asked, ttl) })
	err := fn(leading, l)
	wasLost := errors.Is(context.Cause(leading), ErrLost)
	cancel(nil)
	renewing.Wait()
	if wasLost {
		return nil
	}
	// Let the next holder begin now rather than when the lease expires.
	release, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if err := db.Release(release, l); err != nil {
		db.log.Warn("cannot release lease", "lease", l.Name, "err", err)
	}
	return err
}

// keep renews l until ctx ends, and ends it when l is lost.
func (db *DB) keep(ctx context.Context, lose context.CancelCauseFunc, l Lease, asked time.Time, ttl time.Duration) {
	expiry := time.AfterFunc(time.Until(asked.Add(ttl)), func() { lose(lost(l)) })
	defer expiry.Stop()
	for {
		select {
		case <-time.After(ttl / 3):
		case <-ctx.Done():
			return
		}
		asked := time.Now()
		_, err := db.Renew(ctx, l, ttl)
		switch {
		case err == nil:
			expiry.Reset(time.Until(asked.Add(ttl)))
		case errors.Is(err, ErrLost):
			lose(err)
			return
		case ctx.Err() == nil:
			db.log.Warn("cannot renew lease", "lease", l.Name, "err", err)
		}
	}
}
