package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/notify"
	"github.com/watchfire/watchfire/storage/records"
)

// Names in the records database.
const (
	leaseName    = "alerting/evaluator"
	groupKind    = "alerting.group"
	snapshotKind = "alerting.alertmanager"
	historyName  = "alerting.history/"
)

// recordLease elects the evaluator among the replicas that share records.
type recordLease struct {
	db     *records.DB
	holder string

	mu   sync.Mutex
	held records.Lease // zero = none
}

// Acquire implements eval.Lease.
func (l *recordLease) Acquire(ctx context.Context, ttl time.Duration) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Token != 0 {
		renewed, err := l.db.Renew(ctx, l.held, ttl)
		if err == nil {
			l.held = renewed
			return renewed.Token, true, nil
		}
		if !errors.Is(err, records.ErrLost) {
			return 0, false, err
		}
		l.held = records.Lease{}
		return 0, false, nil
	}
	got, err := l.db.Acquire(ctx, leaseName, l.holder, ttl)
	if errors.Is(err, records.ErrHeld) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	l.held = got
	return got.Token, true, nil
}

// Release implements eval.Lease.
func (l *recordLease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Token == 0 {
		return nil
	}
	err := l.db.Release(ctx, l.held)
	l.held = records.Lease{}
	if errors.Is(err, records.ErrLost) {
		return nil
	}
	return err
}

// recordHistory keeps each alert's transitions as a stream.
type recordHistory struct{ db *records.DB }

// Append implements eval.History.
func (h recordHistory) Append(ctx context.Context, tenant string, es []eval.Entry) error {
	return h.db.Update(ctx, func(tx *records.Tx) error {
		for _, e := range es {
			if _, err := tx.Append(ctx, tenant, historyName+e.ID, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Entries returns the last limit transitions of an alert, the newest first.
func (h recordHistory) Entries(ctx context.Context, tenant, id string, limit int) ([]eval.Entry, error) {
	last, err := h.db.Last(ctx, tenant, historyName+id)
	if errors.Is(err, records.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored, err := h.db.Entries(ctx, tenant, historyName+id, max(last.Sequence-int64(limit)+1, 1), limit)
	if err != nil {
		return nil, err
	}
	es := make([]eval.Entry, len(stored))
	for i, s := range stored {
		if err := json.Unmarshal(s.Value, &es[len(stored)-1-i]); err != nil {
			return nil, fmt.Errorf("cannot read transition %d of alert %s: %w", s.Sequence, id, err)
		}
	}
	return es, nil
}

// recordSnapshots keep the tenants' silences and notification logs in records,
// so that replicas share them.
type recordSnapshots struct{ db *records.DB }

// Load implements notify.Snapshots.
func (s recordSnapshots) Load(ctx context.Context, tenant, name string) (data []byte, version int64, err error) {
	d, err := s.db.Get(ctx, records.Key{Tenant: tenant, Kind: snapshotKind, ID: name})
	if errors.Is(err, records.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return data, d.Version, d.Decode(&data)
}

// Save implements notify.Snapshots.
func (s recordSnapshots) Save(ctx context.Context, tenant, name string, data []byte, version int64) (int64, error) {
	v, err := s.db.Put(ctx, records.Key{Tenant: tenant, Kind: snapshotKind, ID: name}, data, version)
	if errors.Is(err, records.ErrConflict) {
		return 0, fmt.Errorf("%w: %w", notify.ErrConflict, err)
	}
	return v, err
}
