package host

import (
	"context"
	"os/exec"

	"github.com/watchfire/watchfire/collector/files"
)

// logs makes the watcher of the machine's logs, nil for none.
func logs(ctx context.Context, o Options, host string) (Runner, error) {
	c := o.Config.Logs
	src := c.Source
	if src == LogsAuto {
		src = LogsFiles
		if journalReadable(ctx, journalctl) {
			src = LogsJournal
		}
	}
	switch src {
	case LogsJournal:
		return newJournal(o, host, journalctl), nil
	case LogsFiles:
		set := files.Config{Name: "host", Tenant: o.Config.Tenant, Settings: map[string]any{"include": c.Include, "exclude": c.Exclude}}
		return files.New(ctx, files.Options{
			Config: set, Host: host, Sink: o.Sinks.Logs, Limits: o.Limits, Counts: o.Counts, Storage: o.Storage, Logger: o.Logger,
		})
	}
	return nil, nil
}

// journalctl is systemd's reader of the journal.
const journalctl = "journalctl"

// journalReadable tries to read the newest entry. A journal that is empty, as
// in a container, is none.
func journalReadable(ctx context.Context, command string) bool {
	out, err := exec.CommandContext(ctx, command, "--quiet", "--output=json", "--lines=1").Output()
	return err == nil && len(out) > 0
}
