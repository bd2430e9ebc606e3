package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

const (
	// firstEntries is how far back the first start reads.
	firstEntries = "1000"
	maxBatch     = 1000
	flushAfter   = 200 * time.Millisecond
	restartAfter = 5 * time.Second
	// maxEntry bounds an entry's JSON; journald itself takes 48 KiB a line.
	maxEntry = 4 << 20
)

// journal follows the journal by running journalctl, and remembers the cursor
// of the last entry that is stored.
type journal struct {
	tenant, host, command string
	cursorFile            string
	sink                  collector.LogSink
	counts                *collector.Metrics
	log                   *slog.Logger
	wait                  time.Duration // before another try
}

func newJournal(o Options, host, command string) *journal {
	return &journal{
		tenant: o.Config.Tenant, host: host, command: command, cursorFile: filepath.Join(o.Positions, "journal.cursor"),
		sink: o.Sinks.Logs, counts: o.Counts, log: o.Logger, wait: restartAfter,
	}
}

// Run follows until ctx ends. A journalctl that ends is started again after
// the last stored entry.
func (j *journal) Run(ctx context.Context) error {
	for {
		if err := j.follow(ctx); err != nil && ctx.Err() == nil {
			j.log.Warn("reading the journal ended, it begins again", "error", err, "after", j.wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(j.wait):
		}
	}
}

func (j *journal) follow(ctx context.Context) error {
	args := []string{"--quiet", "--follow", "--output=json", "--lines=" + firstEntries}
	if cursor, err := os.ReadFile(j.cursorFile); err == nil && len(cursor) > 0 {
		args = []string{"--quiet", "--follow", "--output=json", "--no-tail", "--after-cursor=" + string(cursor)}
	}
	cmd := exec.CommandContext(ctx, j.command, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &limitedWriter{&stderr, 4 << 10}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", j.command, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", j.command, err)
	}
	err = j.copy(ctx, stdout)
	if werr := cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w: %s", j.command, werr, strings.TrimSpace(stderr.String())))
	}
	return err
}

// limitedWriter keeps the first n bytes.
type limitedWriter struct {
	w io.Writer
	n int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if keep := min(l.n, len(p)); keep > 0 {
		l.n -= keep
		if _, err := l.w.Write(p[:keep]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// copy stores entries in batches until r ends.
func (j *journal) copy(ctx context.Context, r io.Reader) error {
	entries := make(chan entry, maxBatch)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(entries)
		done <- readEntries(ctx, r, entries)
	}()
	for {
		batch := take(entries)
		if len(batch) == 0 {
			return <-done
		}
		if err := j.store(ctx, batch); err != nil {
			cancel()
			for range entries { // lets the reader go on to its end
			}
			<-done
			return err
		}
	}
}

// take waits for an entry and for those that follow it shortly; none means that
// there will be no more.
func take(entries <-chan entry) (batch []entry) {
	e, ok := <-entries
	if !ok {
		return nil
	}
	batch = append(batch, e)
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	for len(batch) < maxBatch {
		select {
		case e, ok := <-entries:
			if !ok {
				return batch
			}
			batch = append(batch, e)
		case <-flush.C:
			return batch
		}
	}
	return batch
}

func readEntries(ctx context.Context, r io.Reader, out chan<- entry) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxEntry)
	for lines.Scan() {
		e, err := parseEntry(lines.Bytes())
		if err != nil {
			continue // a line that is none: journalctl's own words
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return lines.Err()
}

// store writes a batch, again and again until it is stored, then the cursor.
func (j *journal) store(ctx context.Context, batch []entry) error {
	streams := entryStreams(batch, j.host)
	for {
		out, err := j.sink.WriteLogs(ctx, j.tenant, streams)
		j.counts.Count("journal", "logs", len(batch), out, err)
		if err == nil {
			return j.remember(batch[len(batch)-1].cursor)
		}
		j.log.Warn("cannot store entries of the journal, trying again", "entries", len(batch), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(j.wait):
		}
	}
}

func (j *journal) remember(cursor string) error {
	tmp := j.cursorFile + ".new"
	if err := os.WriteFile(tmp, []byte(cursor), 0o600); err != nil {
		return fmt.Errorf("cannot remember the journal's position: %w", err)
	}
	if err := os.Rename(tmp, j.cursorFile); err != nil {
		return fmt.Errorf("cannot remember the journal's position: %w", err)
	}
	return nil
}

// entryStreams groups a batch by unit.
func entryStreams(batch []entry, host string) (out []telemetry.LogStream) {
	at := map[string]int{}
	for _, e := range batch {
		i, ok := at[e.service]
		if !ok {
			i = len(out)
			at[e.service] = i
			out = append(out, telemetry.LogStream{Labels: e.labels(host)})
		}
		out[i].Records = append(out[i].Records, e.record)
	}
	return out
}
