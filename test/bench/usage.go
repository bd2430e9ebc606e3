package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// tree lists a process and all its descendants.
func tree(root int) (procfs.Procs, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	children := map[int]procfs.Procs{}
	var found procfs.Procs
	for _, p := range all {
		if p.PID == root {
			found = append(found, p)
			continue
		}
		if s, err := p.Stat(); err == nil { // it may have ended meanwhile
			children[s.PPID] = append(children[s.PPID], p)
		}
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].PID]...)
	}
	return found, nil
}

// cpuSeconds is what the processes below root have used so far, user and
// system, and what their ended children had used.
func cpuSeconds(root int) (float64, error) {
	procs, err := tree(root)
	if err != nil {
		return 0, err
	}
	const ticks = 100 // a second, on Linux everywhere
	var sum float64
	for _, p := range procs {
		if s, err := p.Stat(); err == nil {
			sum += float64(int(s.UTime)+int(s.STime)+s.CUTime+s.CSTime) / ticks
		}
	}
	return sum, nil
}

// memory is what a process holds, bytes; Pss counts shared pages in shares.
type memory struct {
	name           string
	pss, anonymous uint64
}

// memories lists the processes below root.
func memories(root int) ([]memory, error) {
	procs, err := tree(root)
	if err != nil {
		return nil, err
	}
	var all []memory
	for _, p := range procs {
		m, err := p.ProcSMapsRollup()
		if err != nil {
			continue // ended
		}
		name, _ := p.Comm()
		if args, err := p.CmdLine(); err == nil && len(args) > 1 {
			name += " " + args[1]
		}
		all = append(all, memory{name, m.Pss, m.Anonymous})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("cannot read the memory of process %d", root)
	}
	return all, nil
}

// pss is the sum over the processes below root, bytes.
func pss(root int) (uint64, error) {
	all, err := memories(root)
	var sum uint64
	for _, m := range all {
		sum += m.pss
	}
	return sum, err
}

// watchPeak samples the memory below root until the returned function is
// called, which tells the largest seen.
func watchPeak(root int) (stop func() uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	var peak uint64
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if n, err := pss(root); err == nil {
				peak = max(peak, n)
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	return func() uint64 {
		cancel()
		running.Wait()
		return peak
	}
}

// settle waits until the processes below root have been nearly idle for three
// seconds, so that work put off, such as merges, is counted; at most for long.
func settle(ctx context.Context, root int, long time.Duration) error {
	const idle, tick = 0.1, time.Second // of a core
	quiet := 0
	last, err := cpuSeconds(root)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(long); quiet < 3 && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tick):
		}
		now, err := cpuSeconds(root)
		if err != nil {
			return err
		}
		quiet++
		if now-last > idle*tick.Seconds() {
			quiet = 0
		}
		last = now
	}
	return nil
}
