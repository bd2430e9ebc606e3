package records_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/records"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

func TestLeases(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		a, err := db.Acquire(ctx, "evaluate", "a", time.Minute)
		if err != nil || a.Token != 1 || a.Holder != "a" {
			t.Fatalf("%+v, %v", a, err)
		}
		if _, err := db.Acquire(ctx, "evaluate", "b", time.Minute); !errors.Is(err, records.ErrHeld) {
			t.Errorf("second holder: %v", err)
		}
		if other, err := db.Acquire(ctx, "act", "b", time.Minute); err != nil || other.Token != 1 {
			t.Errorf("another lease: %+v, %v", other, err)
		}
		again, err := db.Acquire(ctx, "evaluate", "a", time.Minute)
		if err != nil || again.Token != 2 {
			t.Errorf("the restarted holder: %+v, %v", again, err)
		}
		if _, err := db.Renew(ctx, a, time.Minute); !errors.Is(err, records.ErrLost) {
			t.Errorf("renewal with an old token: %v", err)
		}
		if err := db.Release(ctx, a); !errors.Is(err, records.ErrLost) {
			t.Errorf("release with an old token: %v", err)
		}
		renewed, err := db.Renew(ctx, again, time.Hour)
		if err != nil || renewed.Token != 2 || !renewed.Expires.After(again.Expires) {
			t.Errorf("renewed %+v, %v", renewed, err)
		}
		fence := func(l records.Lease) error {
			return db.Update(ctx, func(tx *records.Tx) error {
				if err := tx.Fence(ctx, l); err != nil {
					return err
				}
				_, err := tx.Put(ctx, key("act"), l.Token, records.Any)
				return err
			})
		}
		if err := fence(a); !errors.Is(err, records.ErrLost) {
			t.Errorf("fence with an old token: %v", err)
		}
		if err := fence(renewed); err != nil {
			t.Errorf("fence: %v", err)
		}
		if err := db.Release(ctx, renewed); err != nil {
			t.Error(err)
		}
		if err := fence(renewed); !errors.Is(err, records.ErrLost) {
			t.Errorf("fence after release: %v", err)
		}
		b, err := db.Acquire(ctx, "evaluate", "b", 50*time.Millisecond)
		if err != nil || b.Token != 3 {
			t.Fatalf("after release: %+v, %v", b, err)
		}
		time.Sleep(80 * time.Millisecond)
		if _, err := db.Renew(ctx, b, time.Minute); !errors.Is(err, records.ErrLost) {
			t.Errorf("renewal after expiry: %v", err)
		}
		if c, err := db.Acquire(ctx, "evaluate", "c", time.Minute); err != nil || c.Token != 4 {
			t.Errorf("after expiry: %+v, %v", c, err)
		}
		if _, err := db.Lease(ctx, "none"); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("lease of nothing: %v", err)
		}
	})
}

func TestLeaseHasOneHolder(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db := recordstest.Open(t, dsn)
		var granted atomic.Int64
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				_, err := db.Acquire(t.Context(), "evaluate", string(rune('a'+i)), time.Minute)
				if err == nil {
					granted.Add(1)
				} else if !errors.Is(err, records.ErrHeld) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if granted.Load() != 1 {
			t.Errorf("granted %d times", granted.Load())
		}
	})
}

// Three replicas lead in turn, never two at once, each with a greater token.
func TestLead(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		const ttl = 600 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var leaders, terms, last atomic.Int64
		var wg sync.WaitGroup
		for _, holder := range []string{"a", "b", "c"} {
			db := recordstest.Open(t, dsn)
			wg.Go(func() {
				err := db.Lead(ctx, "evaluate", holder, ttl, func(ctx context.Context, l records.Lease) error {
					if leaders.Add(1) != 1 {
						t.Error("two leaders at once")
					}
					defer leaders.Add(-1)
					if before := last.Swap(l.Token); before >= l.Token {
						t.Errorf("token %d after %d", l.Token, before)
					}
					if terms.Add(1) == 4 {
						cancel()
					}
					select {
					case <-time.After(50 * time.Millisecond):
					case <-ctx.Done():
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if terms.Load() < 4 {
			t.Errorf("%d terms", terms.Load())
		}
	})
}

func TestLeadEnds(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		// Longer than its ttl, it is renewed; then somebody takes it over.
		const ttl = 600 * time.Millisecond
		held, stop := time.Now(), errors.New("stop")
		err := db.Lead(ctx, "evaluate", "a", ttl, func(ctx context.Context, l records.Lease) error {
			if l.Token > 1 {
				return stop
			}
			time.Sleep(2 * ttl)
			if ctx.Err() != nil {
				t.Error("not renewed")
			}
			if _, err := db.Acquire(ctx, "evaluate", "a", time.Minute); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), records.ErrLost) {
				t.Errorf("ended by %v", context.Cause(ctx))
			}
			return ctx.Err()
		})
		if !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
		if time.Since(held) < 2*ttl {
			t.Error("too early")
		}
		l, err := db.Lease(ctx, "evaluate")
		if err != nil || l.Token != 3 || l.Expires.UnixMilli() != 0 {
			t.Errorf("left behind %+v, %v", l, err)
		}
	})
}
