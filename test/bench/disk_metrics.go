package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

type diskMetricsFlags struct {
	samples  int
	interval time.Duration
	scrapes  int
}

func diskMetrics(fs *flag.FlagSet) func(context.Context, *lab) error {
	var f diskMetricsFlags
	fs.IntVar(&f.samples, "samples", 240, "scrapes of node_exporter")
	fs.DurationVar(&f.interval, "interval", time.Second, "between scrapes")
	fs.IntVar(&f.scrapes, "push", 10, "scrapes in a push")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

func (f diskMetricsFlags) run(ctx context.Context, l *lab) error {
	exporter, err := l.nodeExporter()
	if err != nil {
		return err
	}
	l.note("scraping node_exporter every %s for %s", f.interval, f.interval*time.Duration(f.samples))
	scrapes, err := exporter.scrape(ctx, f.samples, f.interval)
	if err != nil {
		return err
	}
	if _, err := exporter.proc.stop(); err != nil {
		return err
	}
	own, err := f.watchfire(ctx, l, "watchfire", scrapes)
	if err != nil {
		return err
	}
	// A push of everything makes one part, which is as if all were merged.
	all := f
	all.scrapes = len(scrapes)
	merged, err := all.watchfire(ctx, l, "watchfire-merged", scrapes)
	if err != nil {
		return err
	}
	theirs, err := f.prometheus(ctx, l, scrapes)
	if err != nil {
		return err
	}
	if own.samples != theirs.samples {
		l.note("WRONG: Watchfire holds %v samples, Prometheus %v", own.samples, theirs.samples)
	}
	f.print(l, scrapes, own, merged, theirs)
	return nil
}

// push sends the scrapes in order.
func (f diskMetricsFlags) push(ctx context.Context, s *side, scrapes []scrape) error {
	p := remoteWriter(s, 1)
	defer p.close()
	for some := range slices.Chunk(scrapes, max(f.scrapes, 1)) {
		body, err := encodeScrapes(some)
		if err != nil {
			return err
		}
		if err := p.all(ctx, [][]byte{body}); err != nil {
			return err
		}
	}
	return nil
}

// stored is what samples take on disk, bytes.
type stored struct {
	samples, bytes float64
	columns        [][]string // name, bytes
	more           float64    // series and their index
	parts          float64
}

func (f diskMetricsFlags) watchfire(ctx context.Context, l *lab, folder string, scrapes []scrape) (r stored, err error) {
	s, err := l.watchfire(ctx, folder, passive)
	if err != nil {
		return r, err
	}
	if err := f.push(ctx, s, scrapes); err != nil {
		return r, err
	}
	if err := s.merged(ctx, "metrics_samples", 90*time.Second); err != nil {
		return r, err
	}
	t, err := s.tableSize(ctx, "metrics_samples")
	if err != nil {
		return r, err
	}
	r.samples, r.bytes, r.parts = t.rows, t.columns, t.parts
	r.columns, err = s.sql(ctx, `SELECT name, sum(data_compressed_bytes + marks_bytes) FROM system.columns WHERE table = 'metrics_samples' AND data_compressed_bytes > 0 GROUP BY name ORDER BY 2 DESC`)
	if err != nil {
		return r, err
	}
	more, err := s.sqlNumbers(ctx, `SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table IN ('metrics_series', 'metrics_labels')`)
	if err != nil {
		return r, err
	}
	r.more = more[0]
	_, err = s.stop()
	return r, err
}

// prometheus has the head written as the block that it would become.
func (f diskMetricsFlags) prometheus(ctx context.Context, l *lab, scrapes []scrape) (r stored, err error) {
	s, err := l.prometheus(ctx)
	if err != nil {
		return r, err
	}
	if err := f.push(ctx, s, scrapes); err != nil {
		return r, err
	}
	p := newPusher(s.url+"/api/v1/admin/tsdb/snapshot", 1, nil)
	defer p.close()
	if err := p.all(ctx, [][]byte{nil}); err != nil {
		return r, err
	}
	blocks, err := filepath.Glob(filepath.Join(s.data, "snapshots", "*", "*", "meta.json"))
	if err != nil || len(blocks) == 0 {
		return r, fmt.Errorf("Prometheus' snapshot has no blocks: %w", err)
	}
	for _, meta := range blocks {
		text, err := os.ReadFile(meta)
		if err != nil {
			return r, err
		}
		var m struct{ Stats struct{ NumSamples float64 } }
		if err := json.Unmarshal(text, &m); err != nil {
			return r, err
		}
		block := filepath.Dir(meta)
		chunks, err := fileBytes(filepath.Join(block, "chunks"))
		if err != nil {
			return r, err
		}
		index, err := os.Stat(filepath.Join(block, "index"))
		if err != nil {
			return r, err
		}
		r.samples += m.Stats.NumSamples
		r.bytes += chunks
		r.more += float64(index.Size())
		r.parts++
	}
	_, err = s.stop()
	return r, err
}

func (f diskMetricsFlags) print(l *lab, scrapes []scrape, own, merged, theirs stored) {
	t := newTable(l.out, "", "Watchfire", "Prometheus", "ratio", "goal")
	a, b := over(own.bytes, own.samples), over(theirs.bytes, theirs.samples)
	t.row("series", number(float64(len(scrapes[0].series))), number(float64(len(scrapes[0].series))))
	t.row("samples", number(own.samples), number(theirs.samples))
	t.row("bytes a sample", digits(a), digits(b), times(a, b))
	a = over(merged.bytes, merged.samples)
	t.row(fmt.Sprintf("the same merged (%g parts)", merged.parts), digits(a), digits(b), times(a, b), goal(a <= 1, "<= 1.0"))
	t.row("series and index", size(own.more), size(theirs.more), times(own.more, theirs.more))
	t.row("parts or blocks", digits(own.parts), digits(theirs.parts))
	t.flush()
	l.note("Watchfire: all columns of the samples table as merges left it; Prometheus: chunks of the block")
	if len(own.columns) == 0 {
		l.note("the parts are too small for ClickHouse to tell their columns apart")
		return
	}
	t = newTable(l.out, "column", "bytes a sample")
	for _, c := range own.columns {
		var n float64
		if _, err := fmt.Sscan(c[1], &n); err == nil {
			t.row(c[0], fmt.Sprintf("%.3f", over(n, own.samples)))
		}
	}
	t.flush()
}
