package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/storage/records"
)

// recordStore keeps the state of groups in records. Saves that wait for each
// other share a transaction: thousands of groups end their slots at about the
// same time, and each commit is an fsync.
type recordStore struct {
	db *records.DB

	mu      sync.Mutex
	waiting []*groupSave
	saving  bool
}

// groupSave is one group's state on its way.
type groupSave struct {
	key     records.Key
	data    json.RawMessage
	version int64
	token   int64

	turn chan struct{} // closed when it is to commit for all that wait
	done chan struct{} // closed when next and err are set
	next int64
	err  error
}

// commitTimeout bounds a transaction that several groups wait for.
const commitTimeout = 10 * time.Second

// maxCommit is how many groups share a transaction at most.
const maxCommit = 500

// Load implements eval.Store.
func (s *recordStore) Load(ctx context.Context, tenant, group string) ([]byte, int64, error) {
	d, err := s.db.Get(ctx, records.Key{Tenant: tenant, Kind: groupKind, ID: group})
	if errors.Is(err, records.ErrNotFound) {
		return nil, 0, nil
	}
	return d.Value, d.Version, err
}

// Save implements eval.Store: the lease of the token must be held.
func (s *recordStore) Save(ctx context.Context, tenant, group string, data []byte, version, token int64) (int64, error) {
	g := &groupSave{key: records.Key{Tenant: tenant, Kind: groupKind, ID: group}, data: data, version: version, token: token,
		turn: make(chan struct{}), done: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, g)
	s.passOnLocked()
	s.mu.Unlock()
	select {
	case <-g.turn:
		s.commitFirst(ctx)
	case <-g.done:
	case <-ctx.Done():
		if s.leave(g) {
			return 0, ctx.Err()
		}
	}
	<-g.done // it is in a transaction, which is bounded
	return g.next, g.err
}

// passOnLocked lets the first that waits commit for all, unless one does.
func (s *recordStore) passOnLocked() {
	if !s.saving && len(s.waiting) > 0 {
		s.saving = true
		close(s.waiting[0].turn)
	}
}

// leave takes a save back; it reports false when that is too late.
func (s *recordStore) leave(g *groupSave) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, g)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	select {
	case <-g.turn:
		s.saving = false
		s.passOnLocked()
	default:
	}
	return true
}

// commitFirst saves those that wait, and lets those go on that came meanwhile.
func (s *recordStore) commitFirst(ctx context.Context) {
	s.mu.Lock()
	batch := slices.Clone(s.waiting[:min(len(s.waiting), maxCommit)])
	s.waiting = slices.Delete(s.waiting, 0, len(batch))
	s.mu.Unlock()
	s.commit(context.WithoutCancel(ctx), batch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saving = false
	s.passOnLocked()
}

// commit saves a batch in one transaction. A group that another replica saved
// meanwhile gets its conflict; the others are saved.
func (s *recordStore) commit(ctx context.Context, batch []*groupSave) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := s.db.Update(ctx, func(tx *records.Tx) error {
		fenced := map[int64]error{}
		for _, g := range batch {
			if _, ok := fenced[g.token]; !ok {
				fenced[g.token] = tx.Fence(ctx, records.Lease{Name: leaseName, Token: g.token})
			}
			if g.err = fenced[g.token]; g.err == nil {
				g.next, g.err = tx.Put(ctx, g.key, g.data, g.version)
			}
			if g.err != nil && !lostRace(g.err) {
				return g.err
			}
		}
		return nil
	})
	for _, g := range batch {
		switch {
		case err != nil:
			g.next, g.err = 0, err
		case g.err != nil:
			g.err = fmt.Errorf("%w: %w", eval.ErrConflict, g.err)
		}
		close(g.done)
	}
}

func lostRace(err error) bool {
	return errors.Is(err, records.ErrLost) || errors.Is(err, records.ErrConflict)
}

// Tenants implements eval.Store.
func (s *recordStore) Tenants(ctx context.Context) ([]string, error) {
	return s.db.Tenants(ctx, groupKind)
}

// Groups implements eval.Store.
func (s *recordStore) Groups(ctx context.Context, tenant string) (ids []string, err error) {
	docs, err := s.db.List(ctx, records.Query{Tenant: tenant, Kind: groupKind})
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids, err
}

// Delete implements eval.Store.
func (s *recordStore) Delete(ctx context.Context, tenant, group string) error {
	err := s.db.Delete(ctx, records.Key{Tenant: tenant, Kind: groupKind, ID: group}, records.Any)
	if errors.Is(err, records.ErrNotFound) {
		return nil
	}
	return err
}
