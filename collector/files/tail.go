package files

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
)

// source names these lines in Watchfire's own metrics.
const source = "files"

// pathAttribute is where the receiver tells a line's file.
const pathAttribute = "log.file.path"

// Options are what tailing works with.
type Options struct {
	Config  Config
	Host    string // this machine's name
	Sink    collector.LogSink
	Limits  collector.Limits
	Counts  *collector.Metrics
	Storage *embed.Storage
	Logger  *slog.Logger
}

// synchronous makes a receiver hand on what it has read before it takes note
// of its position. The gate is the process's, and asked when a receiver is made.
const synchronous = "stanza.synchronousLogEmitter"

var gate sync.Mutex

// New makes a tail of the files. The configuration has been validated.
func New(ctx context.Context, o Options) (*embed.Receiver, error) {
	gate.Lock()
	defer gate.Unlock()
	if err := featuregate.GlobalRegistry().Set(synchronous, true); err != nil {
		return nil, fmt.Errorf("cannot tail files: %w", err)
	}
	defer func() { _ = featuregate.GlobalRegistry().Set(synchronous, false) }() // it is known, or Set above had failed
	t := &tail{Options: o, labels: map[string]labels.Labels{}}
	r, err := embed.New(ctx, embed.Options{
		Name: o.Config.Name, Factory: filelogreceiver.NewFactory(), Settings: o.Config.settings(o.Limits.MaxLineBytes),
		Logger: o.Logger, Storage: o.Storage, Logs: t.consume,
	})
	if err != nil {
		return nil, err
	}
	t.freeze = r.Freeze
	return r, nil
}

// serviceOf guesses who writes a file: the folder below /var/log, else the
// file's name without what rotation and .log add.
func serviceOf(path string) string {
	if rest, ok := strings.CutPrefix(path, "/var/log/"); ok {
		if dir, _, nested := strings.Cut(rest, "/"); nested {
			return dir
		}
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	if name == "" {
		return filepath.Base(path)
	}
	return name
}

func attribute(m pcommon.Map, key string) string {
	if v, ok := m.Get(key); ok {
		return v.AsString()
	}
	return ""
}

// each calls f for every record of ld.
func each(ld plog.Logs, f func(plog.LogRecord)) {
	for i := range ld.ResourceLogs().Len() {
		for j := range ld.ResourceLogs().At(i).ScopeLogs().Len() {
			records := ld.ResourceLogs().At(i).ScopeLogs().At(j).LogRecords()
			for k := range records.Len() {
				f(records.At(k))
			}
		}
	}
}
