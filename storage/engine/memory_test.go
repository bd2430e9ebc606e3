package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailableMemory(t *testing.T) {
	const machine = 8 << 30
	for name, test := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"machine":    {map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n"}, machine},
		"cgroup 2":   {map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		"unlimited":  {map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\n", "sys/fs/cgroup/memory.max": "max\n"}, machine},
		"cgroup 1":   {map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n"}, 2 << 30},
		"cgroup 1 ∞": {map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, machine},
		"unknown":    {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for f, content := range test.files {
				if err := os.WriteFile(touch(t, filepath.Join(root, f)), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := availableMemory(root); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
	if got := memoryShare(0); got != defaultMemory {
		t.Errorf("share of an unknown machine is %d", got)
	}
}
