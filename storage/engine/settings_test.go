package engine_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// pss is the proportional set size of a process in bytes.
func pss(t *testing.T, pid int) (total, anonymous uint64) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var n uint64
		switch f := strings.Fields(s.Text()); f[0] {
		case "Pss:":
			fmt.Sscan(f[1], &n)
			total = n << 10
		case "Anonymous:":
			fmt.Sscan(f[1], &n)
			anonymous = n << 10
		}
	}
	return total, anonymous
}

func TestSettingsAreInForce(t *testing.T) {
	cfg := enginetest.Config(t.TempDir())
	cfg.MemoryBytes = 1 << 30
	cfg.MaxQueries = 50
	e := start(t, cfg)
	c := open(t, e)
	for table, want := range map[string]map[string]string{
		"settings": {
			"async_insert": "0", "allow_experimental_time_series_aggregate_functions": "1", "materialize_ttl_after_modify": "0",
			"max_memory_usage": "536870912",
		},
		"merge_tree_settings": {"fsync_after_insert": "1", "fsync_part_directory": "1", "non_replicated_deduplication_window": "10000"},
		"server_settings": {
			"max_server_memory_usage": "1073741824", "max_concurrent_queries": "50", "mark_cache_size": "67108864",
			"index_mark_cache_size": "67108864", "primary_index_cache_size": "67108864", "uncompressed_cache_size": "33554432",
		},
	} {
		for name, value := range want {
			rows, err := c.Query(t.Context(), fmt.Sprintf("SELECT value FROM system.%s WHERE name = '%s'", table, name))
			if err != nil {
				t.Fatal(err)
			}
			got := "nothing"
			for rows.Next() {
				if err := rows.Scan(&got); err != nil {
					t.Error(err)
				}
			}
			rows.Close()
			if got != value {
				t.Errorf("%s %s is %s, want %s", table, name, got, value)
			}
		}
	}
	time.Sleep(time.Second) // the start's own memory is given back
	total, anonymous := pss(t, e.PID())
	t.Logf("idle: PSS %d MB, anonymous %d MB", total>>20, anonymous>>20)
	if anonymous > 256<<20 {
		t.Errorf("an idle engine has %d MB of its own", anonymous>>20)
	}
}

func TestOwnUserStaysInItsDatabase(t *testing.T) {
	c := open(t, start(t, enginetest.Config(t.TempDir())))
	for _, sql := range []string{
		"SELECT * FROM file('/etc/passwd', LineAsString)", "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
		"SELECT * FROM remote('127.0.0.1:1', system.one)", "SELECT * FROM s3('http://127.0.0.1:1/bucket/f', CSV)",
		"CREATE TABLE watchfire.x (n UInt8) ENGINE = File(CSV)", "CREATE TABLE watchfire.x (n UInt8) ENGINE = URL('http://127.0.0.1:1/', CSV)",
		"CREATE DATABASE other", "CREATE TABLE default.x (n UInt8) ENGINE = Memory",
		"INSERT INTO FUNCTION file('x.csv') SELECT 1",
	} {
		var e *storage.Error
		if err := c.Exec(t.Context(), sql); !errors.As(err, &e) || e.Name != "ACCESS_DENIED" {
			t.Errorf("%s: %v, want ACCESS_DENIED", sql, err)
		}
	}
}
