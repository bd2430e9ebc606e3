package embed

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// storageID is the name under which receivers find the storage.
var storageID = component.MustNewID("file_storage")

// StorageName is the value of a receiver's storage setting.
const StorageName = "file_storage"

// Storage remembers positions in a folder.
type Storage struct{ extension storage.Extension }

// NewStorage opens the folder, which it makes when it is missing.
func NewStorage(ctx context.Context, dir string, log *slog.Logger) (*Storage, error) {
	f := filestorage.NewFactory()
	cfg := f.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory, cfg.CreateDirectory = dir, true
	cfg.Compaction.Directory = dir
	// A file that a crash has damaged costs the positions, not the start.
	cfg.Recreate = true
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot remember positions in %q: %w", dir, err)
	}
	e, err := f.Create(ctx, extension.Settings{ID: storageID, TelemetrySettings: settings(log)}, cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot remember positions in %q: %w", dir, err)
	}
	if err := e.Start(ctx, nil); err != nil {
		return nil, fmt.Errorf("cannot remember positions in %q: %w", dir, err)
	}
	return &Storage{extension: e.(storage.Extension)}, nil
}

// Close releases the folder; call it after the receivers have stopped.
func (s *Storage) Close(ctx context.Context) error { return s.extension.Shutdown(ctx) }

// guarded is one receiver's view of the storage: once it is frozen, nothing is
// written any more.
type guarded struct {
	storage.Extension
	frozen *atomic.Bool
}

// GetClient implements storage.Extension.
func (g *guarded) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	c, err := g.Extension.GetClient(ctx, kind, id, name)
	if err != nil {
		return nil, err
	}
	return &guardedClient{Client: c, frozen: g.frozen}, nil
}

type guardedClient struct {
	storage.Client
	frozen *atomic.Bool
}

// Set implements storage.Client.
func (c *guardedClient) Set(ctx context.Context, key string, value []byte) error {
	if c.frozen.Load() {
		return nil
	}
	return c.Client.Set(ctx, key, value)
}

// Delete implements storage.Client.
func (c *guardedClient) Delete(ctx context.Context, key string) error {
	if c.frozen.Load() {
		return nil
	}
	return c.Client.Delete(ctx, key)
}

// Batch implements storage.Client.
func (c *guardedClient) Batch(ctx context.Context, ops ...*storage.Operation) error {
	if c.frozen.Load() {
		ops = slices.DeleteFunc(ops, func(o *storage.Operation) bool { return o.Type != storage.Get })
	}
	return c.Client.Batch(ctx, ops...)
}
