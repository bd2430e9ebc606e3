// Command bench measures Watchfire beside what one would use instead, both on
// this machine in one run, one after the other:
//
//	bench [-dir DIR] [-keep] [NAME [FLAGS]]...
//
// Without a name it runs every benchmark with its defaults. It drives the
// built binary over its public protocols and imports no room of the project.
// CPU-seconds are those of all processes of a side, Watchfire's engine
// included; what generates the load is not counted. On a busy machine trust
// CPU-seconds and ratios, not times.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// benchmark is one thing to measure. prepare declares its flags and returns
// what runs it with their values.
type benchmark struct {
	name, about string
	prepare     func(*flag.FlagSet) func(context.Context, *lab) error
}

var benchmarks = []benchmark{
	{"ingest-metrics", "remote write: samples per CPU-second, beside Prometheus", ingestMetrics},
	{"disk-metrics", "bytes a sample of a real node_exporter, beside Prometheus", diskMetrics},
	{"ingest-logs", "Loki pushes: lines per second, bytes a line, searches", ingestLogs},
	{"ingest-traces", "OTLP: spans per second, a trace by its id", ingestTraces},
	{"queries", "PromQL of dashboards, beside Prometheus on the same samples", queries},
	{"start", "start to ready on an existing data folder, memory when idle", start},
}

// job is a benchmark that was asked for, with its flags parsed.
type job struct {
	name string
	run  func(context.Context, *lab) error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	global := flag.NewFlagSet("bench", flag.ContinueOnError)
	global.SetOutput(messages)
	dir := global.String("dir", os.TempDir(), "folder for the data of all sides; a folder of its own is made in it")
	keep := global.Bool("keep", false, "keep that folder")
	global.Usage = func() { usage(global, messages) }
	if err := global.Parse(args); err != nil {
		return err
	}
	jobs, err := parseJobs(global.Args(), messages)
	if err != nil {
		return err
	}
	var failed []error
	for _, j := range jobs {
		fmt.Fprintf(out, "\n== %s (%s)\n", j.name, machine())
		begun := time.Now()
		if err := runJob(ctx, j, *dir, *keep, out); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Fprintf(out, "%s failed: %v\n", j.name, err)
			failed = append(failed, fmt.Errorf("%s: %w", j.name, err))
			continue
		}
		fmt.Fprintf(out, "%s took %s\n", j.name, time.Since(begun).Round(time.Second))
	}
	return errors.Join(failed...)
}

func runJob(ctx context.Context, j job, dir string, keep bool, out io.Writer) error {
	l, err := newLab(dir, keep, out)
	if err != nil {
		return err
	}
	return errors.Join(j.run(ctx, l), l.close())
}

// parseJobs reads names, each followed by its own flags.
func parseJobs(args []string, messages io.Writer) ([]job, error) {
	var jobs []job
	add := func(b benchmark, args []string) ([]string, error) {
		fs := flag.NewFlagSet(b.name, flag.ContinueOnError)
		fs.SetOutput(messages)
		run := b.prepare(fs)
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		jobs = append(jobs, job{b.name, run})
		return fs.Args(), nil
	}
	for len(args) > 0 {
		b, ok := find(args[0])
		if !ok {
			return nil, fmt.Errorf("there is no benchmark %q: run with -help for the list", args[0])
		}
		rest, err := add(b, args[1:])
		if err != nil {
			return nil, err
		}
		args = rest
	}
	if len(jobs) > 0 {
		return jobs, nil
	}
	for _, b := range benchmarks {
		if _, err := add(b, nil); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

func find(name string) (benchmark, bool) {
	for _, b := range benchmarks {
		if b.name == name {
			return b, true
		}
	}
	return benchmark{}, false
}

func usage(global *flag.FlagSet, out io.Writer) {
	fmt.Fprintln(out, "bench [FLAGS] [NAME [FLAGS OF NAME]]... ; NAME -help lists its flags")
	for _, b := range benchmarks {
		fmt.Fprintf(out, "  %-15s %s\n", b.name, b.about)
	}
	global.PrintDefaults()
}
