package main

import (
	"os"
	"testing"
	"time"
)

func TestProcessTree(t *testing.T) {
	p, err := startProcess("shell", "/bin/sh", "-c", "sleep 60 & wait")
	if err != nil {
		t.Fatal(err)
	}
	pid := p.cmd.Process.Pid
	deadline := time.Now().Add(10 * time.Second)
	for {
		procs, err := tree(pid)
		if err != nil {
			t.Fatal(err)
		}
		if len(procs) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes below the shell, want 2", len(procs))
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n, err := pss(pid); err != nil || n == 0 {
		t.Errorf("PSS %d, %v", n, err)
	}
	procs, _ := tree(pid)
	child, _ := os.FindProcess(procs[1].PID)
	_ = child.Kill()
	if _, err := p.stop(); err != nil {
		t.Error(err)
	}
}

func TestCPUSeconds(t *testing.T) {
	before, err := cpuSeconds(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 100*time.Millisecond; {
	}
	after, err := cpuSeconds(os.Getpid())
	if err != nil || after < before {
		t.Errorf("%v CPU-seconds after %v, %v", after, before, err)
	}
}
