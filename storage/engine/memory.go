package engine

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	minMemory     = 256 << 20
	defaultMemory = 512 << 20
)

// memoryShare is the engine's default cap: a quarter of available, bytes.
func memoryShare(available uint64) uint64 {
	return max(available/4, defaultMemory)
}

// availableMemory is what the machine has, or the cgroup when that is less, in
// bytes; root is "/" outside of tests. Zero is unknown.
func availableMemory(root string) uint64 {
	total := memTotal(filepath.Join(root, "proc/meminfo"))
	for _, file := range []string{
		"sys/fs/cgroup/memory.max",                   // cgroup v2, in a container's own namespace
		"sys/fs/cgroup/memory/memory.limit_in_bytes", // cgroup v1
	} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue
		}
		// "max" and v1's huge number mean no limit.
		limit, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
		if err == nil && limit > 0 && (total == 0 || limit < total) {
			total = limit
		}
	}
	return total
}

func memTotal(path string) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseUint(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
