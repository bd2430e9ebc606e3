package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// queue holds one table's spooled blocks in segments, oldest first. Appending
// writes and syncs under mu, as in every write-ahead log: order is its point.
// Only the drain reads, from its own handle.
type queue struct {
	table                   string
	dir                     string
	rejectedDir, corruptDir string
	segmentBytes            int64
	open                    func(path string, flag int) (segmentFile, error)

	mu       sync.Mutex
	segments []*segment  // the last takes records
	write    segmentFile // of the last segment, or nil
	newest   int64       // name of the newest segment
	blocks   int         // to be drained
	bytes    int64       // to be drained
	draining bool

	// The drain's own.
	path     string      // of segments[0]
	read     segmentFile // its handle, or nil
	at       int64       // offset of the next record there
	headSize int64       // size of the record that is being inserted
	buf      []byte
}

type segment struct {
	path     string
	size     int64 // durable
	rejected bool  // holds records that ClickHouse refused
	corrupt  bool  // holds damaged records
}

// recover reads the queue as the last process left it. It reads headers only:
// bodies are checked when they are drained.
func (q *queue) recover() error {
	entries, err := os.ReadDir(q.dir) // sorted; names have a fixed width
	if err != nil {
		return fmt.Errorf("cannot recover spool: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		made, err := strconv.ParseInt(name, 16, 64)
		if !ok || err != nil {
			return fmt.Errorf("cannot recover spool: %s is no segment, move it away", filepath.Join(q.dir, e.Name()))
		}
		seg, s, err := recoverSegment(filepath.Join(q.dir, e.Name()))
		if err != nil {
			return fmt.Errorf("cannot recover spool segment: %w", err)
		}
		q.newest = max(q.newest, made)
		q.segments = append(q.segments, seg)
		q.blocks += s.blocks
		q.bytes += s.bytes
	}
	return nil
}

const segmentSuffix = ".seg"

// recoverSegment cuts off a record that was being written when the process
// died; it was not acknowledged.
func recoverSegment(path string) (*segment, survey, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, survey{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, survey{}, err
	}
	seg := &segment{path: path, size: info.Size()}
	s := surveySegment(f, seg.size)
	if s.end < seg.size && !s.bad {
		seg.size = s.end
		if err := errors.Join(f.Truncate(s.end), f.Sync()); err != nil {
			return nil, s, err
		}
	}
	return seg, s, nil
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.segments) == 0
}

// append makes b durable at the end of the queue. start is true when nobody
// drains the queue.
func (q *queue) append(b storage.Block, now time.Time) (start bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.rotateLocked(now); err != nil {
		return false, err
	}
	seg := q.segments[len(q.segments)-1]
	n, broken, err := writeRecord(q.write, seg.size, b, now)
	if broken {
		q.write.Close()
		q.write = nil
	}
	if err != nil {
		if seg.size == 0 {
			q.dropLastLocked()
		}
		return false, err
	}
	seg.size += n
	q.blocks++
	q.bytes += n
	return !q.draining, nil
}

// rotateLocked makes q.write the file of the last segment, a new one if that
// is full or was written by an earlier process or has failed.
//
// A segment is named by the time it was made, so that one that is kept aside
// can be moved back to its place and its name is never used again.
func (q *queue) rotateLocked(now time.Time) error {
	if q.write != nil && q.segments[len(q.segments)-1].size < q.segmentBytes {
		return nil
	}
	q.closeWriteLocked()
	if err := makeDir(q.dir); err != nil {
		return err
	}
	name := max(q.newest+1, now.UnixNano())
	path := filepath.Join(q.dir, fmt.Sprintf("%016x"+segmentSuffix, name))
	f, err := q.open(path, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if err := syncDir(q.dir); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	q.newest = name
	q.write = f
	q.segments = append(q.segments, &segment{path: path})
	return nil
}

// dropLastLocked removes a segment whose first record could not be written.
func (q *queue) dropLastLocked() {
	q.closeWriteLocked()
	n := len(q.segments) - 1
	if n == 0 && q.draining {
		return // the drain may have it open, and removes it
	}
	os.Remove(q.segments[n].path)
	q.segments = q.segments[:n]
}

func (q *queue) closeWriteLocked() {
	if q.write != nil {
		q.write.Close()
		q.write = nil
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeWriteLocked()
	if q.read != nil {
		q.read.Close()
		q.read = nil
	}
}
