package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchfire/watchfire/storage"
)

// Spool is a Sink in front of a Sink. Blocks pass through it while next takes
// them; when next is unavailable they are acknowledged from disk, and Run
// brings them to next later, in the order of their table and with their
// tokens. Until a table's queue is empty its new blocks go to the queue's end.
//
// Below Dir, queue/TABLE holds what is to be drained, rejected/TABLE segments
// with blocks that next will never take, corrupt/TABLE segments with damaged
// records. The last two count towards MaxBytes and are never removed; a
// segment that is moved back to queue is tried again at the next start.
type Spool struct {
	cfg     SpoolConfig
	next    Sink
	log     *slog.Logger
	metrics spoolMetrics
	lock    *os.File
	wake    chan struct{}
	writing atomic.Int64 // bytes that are being written

	// For tests that make files fail.
	open func(path string, flag int) (segmentFile, error)

	mu     sync.Mutex
	queues map[string]*queue // by table
}

// SpoolConfig bounds a Spool.
type SpoolConfig struct {
	// Dir belongs to one process at a time.
	Dir string `yaml:"dir"`
	// MaxBytes bounds the files below Dir. When it is reached writes fail with
	// ErrFull.
	MaxBytes int64 `yaml:"max_bytes"`
	// MinFreeBytes is what the spool leaves free on the disk for others.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// SegmentBytes is when a table's next file is begun. Disk space is given
	// back by whole files.
	SegmentBytes int64 `yaml:"segment_bytes"`
	// InsertTimeout is how long a block may take before ClickHouse counts as
	// unavailable. It must be shorter than the batches' insert_timeout.
	InsertTimeout time.Duration `yaml:"insert_timeout"`
	// Pace is how long spooling a block takes at least. It lets the batches
	// grow, so that few large blocks are spooled and the drain catches up.
	Pace time.Duration `yaml:"pace"`
	// Drains is how many blocks are drained at once, each of another table.
	Drains int `yaml:"drains"`
}

// DefaultSpoolConfig has no Dir.
func DefaultSpoolConfig() SpoolConfig {
	return SpoolConfig{
		MaxBytes:      10 << 30,
		MinFreeBytes:  1 << 30,
		SegmentBytes:  64 << 20,
		InsertTimeout: 10 * time.Second,
		Pace:          250 * time.Millisecond,
		Drains:        2,
	}
}

// Validate reports every value that can't work.
func (c SpoolConfig) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("dir must name a directory"))
	}
	if c.SegmentBytes <= 0 || c.SegmentBytes > c.MaxBytes {
		errs = append(errs, fmt.Errorf("segment_bytes must be above 0 and at most max_bytes (%d), got %d", c.MaxBytes, c.SegmentBytes))
	}
	if c.MinFreeBytes < 0 {
		errs = append(errs, fmt.Errorf("min_free_bytes must not be negative, got %d", c.MinFreeBytes))
	}
	if c.InsertTimeout <= 0 {
		errs = append(errs, fmt.Errorf("insert_timeout must be positive, got %s", c.InsertTimeout))
	}
	if c.Pace < 0 {
		errs = append(errs, fmt.Errorf("pace must not be negative, got %s", c.Pace))
	}
	if c.Drains <= 0 {
		errs = append(errs, fmt.Errorf("drains must be positive, got %d", c.Drains))
	}
	return errors.Join(errs...)
}

const (
	queueDir    = "queue"
	rejectedDir = "rejected"
	corruptDir  = "corrupt"
)

// NewSpool opens the spool in cfg.Dir, with what an earlier process left
// there. Close it when all who insert and Run have ended.
func NewSpool(cfg SpoolConfig, next Sink, reg prometheus.Registerer, log *slog.Logger) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	root := filepath.Join(cfg.Dir, queueDir)
	if err := makeDir(root); err != nil {
		return nil, fmt.Errorf("cannot make spool dir: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{
		cfg:     cfg,
		next:    next,
		log:     log,
		metrics: newSpoolMetrics(reg),
		lock:    lock,
		wake:    make(chan struct{}, 1),
		open:    openSegment,
		queues:  map[string]*queue{},
	}
	if err := s.recover(root); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Spool) recover(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("cannot read spool dir: %w", err)
	}
	for _, e := range entries {
		table, err := tableOf(e.Name())
		if err != nil {
			return fmt.Errorf("cannot tell which table %s is of: %w", filepath.Join(root, e.Name()), err)
		}
		q := s.queue(table)
		if err := q.recover(); err != nil {
			return err
		}
		if q.blocks > 0 {
			s.log.Info("spooled blocks found", "table", table, "blocks", q.blocks, "bytes", q.bytes)
		}
		s.metrics.observe(table, q)
	}
	return nil
}

// A folder is named for its table; the prefix keeps "." and ".." harmless.
func dirOf(table string) string { return "t-" + url.PathEscape(table) }

func tableOf(dir string) (string, error) {
	name, ok := strings.CutPrefix(dir, "t-")
	if !ok {
		return "", errors.New(`its name does not begin with "t-"`)
	}
	return url.PathUnescape(name)
}

func (s *Spool) queue(table string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[table]
	if q == nil {
		dir := dirOf(table)
		q = &queue{
			table:        table,
			dir:          filepath.Join(s.cfg.Dir, queueDir, dir),
			rejectedDir:  filepath.Join(s.cfg.Dir, rejectedDir, dir),
			corruptDir:   filepath.Join(s.cfg.Dir, corruptDir, dir),
			segmentBytes: s.cfg.SegmentBytes,
			open:         func(path string, flag int) (segmentFile, error) { return s.open(path, flag) },
		}
		s.queues[table] = q
	}
	return q
}

// Insert returns nil when next or the disk has b durably. Errors of next that
// a later try won't heal are returned as they are; ErrFull says that next is
// unavailable and a bound of the spool is reached. When ctx ends while next is
// asked, b goes to disk.
func (s *Spool) Insert(ctx context.Context, b storage.Block) error {
	q := s.queue(b.Table)
	if q.empty() {
		err := s.pass(ctx, b)
		if err == nil || !unavailable(err) {
			return err
		}
		s.log.Warn("block not inserted, spooling", "table", b.Table, "rows", b.Rows, "token", b.Token, "err", err)
	}
	began := time.Now()
	if err := s.write(q, b, began); err != nil {
		return err
	}
	select {
	case <-time.After(s.cfg.Pace - time.Since(began)):
	case <-ctx.Done():
	}
	return nil
}

func (s *Spool) pass(ctx context.Context, b storage.Block) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	return s.next.Insert(ctx, b)
}

// unavailable tells whether the same block may be taken later by a next that
// does not answer now.
func unavailable(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (s *Spool) write(q *queue, b storage.Block, now time.Time) error {
	start, err := s.append(q, b, now)
	s.metrics.observe(b.Table, q)
	if err != nil {
		s.metrics.refused.Inc()
		s.log.Error("cannot spool block", "table", b.Table, "rows", b.Rows, "token", b.Token, "err", err)
		return err
	}
	s.metrics.spooled.Inc()
	if start {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s *Spool) append(q *queue, b storage.Block, now time.Time) (start bool, err error) {
	bytes := recordSize(b)
	writing := s.writing.Add(bytes)
	defer s.writing.Add(-bytes)
	if err := s.room(writing); err != nil {
		return false, err
	}
	start, err = q.append(b, now)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = s.full("min_free_bytes", s.cfg.MinFreeBytes, err)
	}
	return start, err
}

// room asks the disk each time: a person may have removed kept segments, and
// others write there too. It looks at one entry per segment.
func (s *Spool) room(bytes int64) error {
	if s.usedBytes()+bytes > s.cfg.MaxBytes {
		return s.full("max_bytes", s.cfg.MaxBytes, nil)
	}
	free, err := freeBytes(s.cfg.Dir)
	if err != nil {
		return err
	}
	if free-bytes < s.cfg.MinFreeBytes {
		return s.full("min_free_bytes", s.cfg.MinFreeBytes, fmt.Errorf("%d bytes are free", free))
	}
	return nil
}

func (s *Spool) full(knob string, limit int64, cause error) error {
	return &FullError{What: "spool " + s.cfg.Dir, Knob: "spool." + knob, Limit: limit, Cause: cause}
}

func (s *Spool) usedBytes() (sum int64) {
	for _, kind := range []string{queueDir, rejectedDir, corruptDir} {
		tables, _ := os.ReadDir(filepath.Join(s.cfg.Dir, kind))
		for _, t := range tables {
			sum += dirBytes(filepath.Join(s.cfg.Dir, kind, t.Name()))
		}
	}
	return sum
}

// Close gives the directory free. Insert must not be called any more.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.close()
	}
	return s.lock.Close()
}
