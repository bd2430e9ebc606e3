package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrConflict is what Snapshots answer when another replica saved meanwhile.
var ErrConflict = errors.New("the snapshot was changed by another replica")

// Snapshots keep a tenant's silences and notification log over restarts.
type Snapshots interface {
	// Load returns what was saved with its version; nil and 0 when nothing was.
	Load(ctx context.Context, tenant, name string) (data []byte, version int64, err error)
	// Save replaces the snapshot that has this version (0 = none yet) and
	// returns the new version, or ErrConflict when it has another.
	Save(ctx context.Context, tenant, name string, data []byte, version int64) (int64, error)
}

// Dir keeps snapshots as files below a folder, for one process alone.
type Dir string

// Load implements Snapshots.
func (d Dir) Load(_ context.Context, tenant, name string) ([]byte, int64, error) {
	b, err := os.ReadFile(filepath.Join(string(d), tenant, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read snapshot: %w", err)
	}
	return b, 1, nil
}

// Save implements Snapshots: a new file is synced and takes the old one's
// place.
func (d Dir) Save(_ context.Context, tenant, name string, data []byte, _ int64) (int64, error) {
	dir := filepath.Join(string(d), tenant)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("cannot save snapshot: %w", err)
	}
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return 0, fmt.Errorf("cannot save snapshot: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot save snapshot: %w", errors.Join(err, ignoreMissing(os.Remove(f.Name()))))
	}
	return 1, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// state is what silences and the notification log have in common.
type state interface {
	MarshalBinary() ([]byte, error)
	Merge(b []byte) error
}

// saver keeps one state and its snapshot alike.
type saver struct {
	store   Snapshots
	tenant  string
	name    string
	state   state
	version int64
	dirty   chan struct{} // holds a token when there is something to save
}

func (s *saver) mark() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// load merges the snapshot when it is not the one that is known.
func (s *saver) load(ctx context.Context) error {
	b, v, err := s.store.Load(ctx, s.tenant, s.name)
	if err != nil {
		return fmt.Errorf("cannot load %s of tenant %q: %w", s.name, s.tenant, err)
	}
	if v == s.version {
		return nil
	}
	if err := s.state.Merge(b); err != nil {
		return fmt.Errorf("cannot read the stored %s of tenant %q: %w", s.name, s.tenant, err)
	}
	s.version = v
	return nil
}

// save stores the state; what another replica saved meanwhile is merged first.
func (s *saver) save(ctx context.Context) error {
	for ctx.Err() == nil {
		b, err := s.state.MarshalBinary()
		if err != nil {
			return fmt.Errorf("cannot encode %s of tenant %q: %w", s.name, s.tenant, err)
		}
		v, err := s.store.Save(ctx, s.tenant, s.name, b, s.version)
		switch {
		case err == nil:
			s.version = v
			return nil
		case !errors.Is(err, ErrConflict):
			return fmt.Errorf("cannot save %s of tenant %q: %w", s.name, s.tenant, err)
		}
		if err := s.load(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}
