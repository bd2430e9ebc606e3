package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"time"
)

type ingestLogsFlags struct {
	lines, batch, senders, pods, warm int
	length                            time.Duration
}

func ingestLogs(fs *flag.FlagSet) func(context.Context, *lab) error {
	var f ingestLogsFlags
	fs.IntVar(&f.lines, "lines", 1_000_000, "lines; the goals of searches are for 5000000")
	fs.IntVar(&f.batch, "batch", 5000, "lines in a push")
	fs.IntVar(&f.senders, "senders", 16, "pushes at once")
	fs.IntVar(&f.pods, "pods", 10, "streams of each of the ten services")
	fs.DurationVar(&f.length, "length", time.Hour, "time that the lines span")
	fs.IntVar(&f.warm, "warm", 5, "warm runs of a search, of which the median is told")
	return func(ctx context.Context, l *lab) error { return f.run(ctx, l) }
}

func (f ingestLogsFlags) run(ctx context.Context, l *lab) error {
	begin := time.Now().Add(-f.length)
	s, err := l.watchfire(ctx, "watchfire", passive)
	if err != nil {
		return err
	}
	if err := settle(ctx, s.pid(), 10*time.Second); err != nil {
		return err
	}
	if err := f.push(ctx, l, s, begin); err != nil {
		return err
	}
	if err := f.disk(ctx, l, s, begin); err != nil {
		return err
	}
	return f.search(ctx, l, s, begin)
}

func (f ingestLogsFlags) push(ctx context.Context, l *lab, s *side, begin time.Time) error {
	gen := newLogLines(f.lines, f.pods, begin, f.length)
	p := newPusher(s.url+"/loki/api/v1/push", f.senders, map[string]string{"Content-Type": "application/x-protobuf"})
	defer p.close()
	cost, err := s.measure()
	if err != nil {
		return err
	}
	var pushing time.Duration
	for gen.next < gen.n {
		// What makes the lines is idle while they are pushed, and the other
		// way round: the two cores are the server's.
		var bodies [][]byte
		for range 2 * f.senders {
			body, n, err := gen.body(f.batch)
			if err != nil {
				return err
			}
			if n > 0 {
				bodies = append(bodies, body)
			}
		}
		begun := time.Now()
		if err := p.all(ctx, bodies); err != nil {
			return err
		}
		pushing += time.Since(begun)
	}
	if err := cost.end(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := s.alive(); err != nil {
		return err
	}
	n := float64(gen.n)
	rate := n / pushing.Seconds()
	t := newTable(l.out, "logs in", "Watchfire", "goal")
	t.row("lines", number(n))
	t.row("bytes of a line", digits(float64(gen.bytes)/n))
	t.row("lines per second", number(rate), goal(rate >= 100_000, ">= 100 k on two idle cores"))
	t.row("lines per CPU-second, merges included", number(n/cost.cpu))
	t.row("CPU-seconds, merges included", digits(cost.cpu))
	t.row("acknowledged after, median", millis(p.delay(0.5)))
	t.row("acknowledged after, 99 %", millis(p.delay(0.99)))
	t.row("PSS at most", size(float64(cost.peak)))
	t.row("pushes sent again", fmt.Sprint(p.retries.Load()))
	t.flush()
	return nil
}

func (f ingestLogsFlags) disk(ctx context.Context, l *lab, s *side, begin time.Time) error {
	const table = "logs_records"
	if err := s.merged(ctx, table, 90*time.Second); err != nil {
		return err
	}
	d, err := s.tableSize(ctx, table)
	if err != nil {
		return err
	}
	indices, err := s.sqlNumbers(ctx, `SELECT sumIf(data_compressed_bytes + marks_bytes, type = 'text'), sum(data_compressed_bytes + marks_bytes) FROM system.data_skipping_indices WHERE table = '`+table+`'`)
	if err != nil {
		return err
	}
	packed, how, err := f.zstd(ctx, begin)
	if err != nil {
		return err
	}
	if d.rows != float64(f.lines) {
		l.note("WRONG: the table has %.0f rows, want %d", d.rows, f.lines)
	}
	with, without := over(d.all, d.rows), over(d.all-indices[0], d.rows)
	t := newTable(l.out, "bytes a line on disk", "", "goal")
	t.row("Watchfire without the text index", digits(without), goal(without <= 30, "<= 30"))
	t.row("Watchfire with it", digits(with), goal(with <= 60, "<= 60"))
	t.row(how, digits(float64(packed)/float64(f.lines)))
	t.row("other indices", digits(over(indices[1]-indices[0], d.rows)))
	t.row("parts", digits(d.parts))
	t.flush()
	columns, err := s.sql(ctx, `SELECT name, sum(data_compressed_bytes + marks_bytes) FROM system.columns WHERE table = '`+table+`' AND data_compressed_bytes > 0 GROUP BY name ORDER BY 2 DESC LIMIT 6`)
	if err != nil {
		return err
	}
	t = newTable(l.out, "largest columns", "bytes a line")
	for _, c := range columns {
		var n float64
		if _, err := fmt.Sscan(c[1], &n); err == nil {
			t.row(c[0], digits(over(n, d.rows)))
		}
	}
	t.flush()
	return nil
}

// zstd packs the same lines in order of time with the zstd program.
func (f ingestLogsFlags) zstd(ctx context.Context, begin time.Time) (int64, string, error) {
	path, err := tool("zstd", "zstd")
	if err != nil {
		return 0, "", err
	}
	cmd := exec.CommandContext(ctx, path, "-3", "-q", "-c")
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, "", err
	}
	var packed counter
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &packed, &messages
	if err := cmd.Start(); err != nil {
		return 0, "", err
	}
	w := bufio.NewWriterSize(in, 1<<20)
	gen := newLogLines(f.lines, f.pods, begin, f.length)
	for gen.next < gen.n && err == nil {
		_, _, text := gen.line()
		_, err = w.WriteString(text + "\n")
	}
	err = errors.Join(err, w.Flush(), in.Close(), cmd.Wait())
	if err != nil {
		err = fmt.Errorf("zstd: %w\n%s", err, messages.String())
	}
	return int64(packed), "zstd -3 of the lines alone", err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)
