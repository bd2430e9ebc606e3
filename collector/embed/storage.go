package embed

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
)

// storageID is the name under which receivers find the storage.
var storageID = component.MustNewID("file_storage")

// StorageName is the value of a receiver's storage setting.
const StorageName = "file_storage"

// Storage remembers positions in a folder.
type Storage struct{ extension extension.Extension }

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
	return &Storage{extension: e}, nil
}

// Close releases the folder; call it after the receivers have stopped.
func (s *Storage) Close(ctx context.Context) error { return s.extension.Shutdown(ctx) }
