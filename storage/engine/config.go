package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says how to run the embedded engine.
type Config struct {
	// Data is the folder that holds everything the engine keeps. It is made
	// when it is not there.
	Data string `yaml:"data"`
	// Library is the path of libchdb.so; empty looks it up, see FindLibrary.
	Library string `yaml:"library"`
	// MemoryBytes caps the engine's memory; zero is a quarter of what the
	// machine or the cgroup has, at least 512 MiB.
	MemoryBytes uint64 `yaml:"memory_bytes"`
	// Threads caps the threads of one query; zero is the number of CPUs.
	Threads int `yaml:"threads"`
	// MaxQueries caps the queries that run at once; more are refused.
	MaxQueries int `yaml:"max_queries"`
	// StartTimeout bounds the wait for the first answer; a big data folder
	// takes longer to load.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// LockTimeout bounds the wait for another engine on the same folder to
	// go, such as the one of a killed predecessor.
	LockTimeout time.Duration `yaml:"lock_timeout"`
	// HangTimeout is how long a running engine may leave pings unanswered
	// before it is killed and started again; zero waits for ever.
	HangTimeout time.Duration `yaml:"hang_timeout"`
	// Backups is the folder that backups are written below; empty is a folder
	// in Data.
	Backups string `yaml:"backups"`

	// Command is re-executed as the child, with Env added to its environment;
	// empty is this executable with the argument "engine".
	Command []string `yaml:"-"`
	Env     []string `yaml:"-"`
	// Cluster, for tests only, opens the native TCP port too and declares the
	// cluster "watchfire" for Distributed tables.
	Cluster *Cluster `yaml:"-"`
	// Logger gets the engine's own warnings; nil discards them.
	Logger     *slog.Logger          `yaml:"-"`
	Registerer prometheus.Registerer `yaml:"-"` // nil keeps no metrics
}

// Cluster makes an engine a shard of a cluster of loopback engines.
type Cluster struct {
	Name     string   // of the cluster
	TCPPort  int      // the native port that this engine listens on
	Shards   []string // host:port of the native port of every shard, in order
	Password string   // of the user that all engines share
}

// DefaultConfig has everything but Data.
func DefaultConfig() Config {
	return Config{MaxQueries: 100, StartTimeout: time.Minute, LockTimeout: 10 * time.Second, HangTimeout: time.Minute}
}

// Validate tells all that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, errors.New("data: name the folder that the embedded engine keeps its data in"))
	}
	if c.MemoryBytes != 0 && c.MemoryBytes < minMemory {
		errs = append(errs, fmt.Errorf("memory_bytes: %d is less than %d, which the engine needs to work", c.MemoryBytes, uint64(minMemory)))
	}
	if c.Threads < 0 {
		errs = append(errs, fmt.Errorf("threads: %d is negative; 0 is the number of CPUs", c.Threads))
	}
	if c.MaxQueries < 1 {
		errs = append(errs, fmt.Errorf("max_queries: %d is less than 1", c.MaxQueries))
	}
	if c.StartTimeout <= 0 {
		errs = append(errs, fmt.Errorf("start_timeout: %v is not positive", c.StartTimeout))
	}
	if c.LockTimeout < 0 {
		errs = append(errs, fmt.Errorf("lock_timeout: %v is negative", c.LockTimeout))
	}
	if c.HangTimeout < 0 || c.HangTimeout > 0 && c.HangTimeout < time.Second {
		errs = append(errs, fmt.Errorf("hang_timeout: %v is less than 1s; 0 waits for ever", c.HangTimeout))
	}
	return errors.Join(errs...)
}

// command is what the child is started as.
func (c Config) command() ([]string, error) {
	if len(c.Command) > 0 {
		return c.Command, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this executable to start the engine with: %w", err)
	}
	return []string{exe, "engine"}, nil
}
