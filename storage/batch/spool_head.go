package batch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// outcome is what head found on the way to the next record.
type outcome struct {
	block   storage.Block // to be inserted, if ok; valid until the next head
	ok      bool          // false without err: the queue is empty, its drain is over
	spooled time.Time
	corrupt []error // damage that was stepped over
	err     error   // try again later
}

// head returns the oldest record that is to be drained, and steps over damaged
// ones. Only the drain calls it.
func (q *queue) head() (out outcome) {
	damaged := func(size int64, marked bool, err error) {
		out.corrupt = append(out.corrupt, fmt.Errorf("offset %d of spool segment %s: %w", q.at, q.path, err))
		q.advance(size, stateCorrupt, marked)
	}
	for {
		size := q.first()
		if size == 0 {
			return out
		}
		if out.err = q.openRead(); out.err != nil {
			return out
		}
		h, err := readHeader(q.read, q.at, size)
		if err != nil {
			damaged(findHeader(q.read, q.at+1, size)-q.at, false, err)
			continue
		}
		if h.state == stateDone {
			q.at += h.size()
			continue
		}
		if out.block, err = q.readBlock(h); err != nil {
			damaged(h.size(), true, err)
			continue
		}
		q.headSize, out.spooled, out.ok = h.size(), h.spooled, true
		return out
	}
}

// resolve steps behind the record that head returned. An error says that this
// is not durable: after a restart the record is inserted again, with the same
// token.
func (q *queue) resolve(state byte) error {
	return q.advance(q.headSize, state, true)
}

func (q *queue) openRead() error {
	if q.read != nil {
		return nil
	}
	f, err := q.open(q.path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed it: what is left is an empty segment.
		f, err = q.open(q.path, os.O_CREATE)
	}
	if err == nil {
		q.read = f
	}
	return err
}

func (q *queue) readBlock(h header) (storage.Block, error) {
	if int64(cap(q.buf)) < h.size() {
		q.buf = make([]byte, h.size())
	}
	p := q.buf[:h.size()]
	if _, err := q.read.ReadAt(p, q.at); err != nil && !errors.Is(err, io.EOF) {
		return storage.Block{}, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	b, _, err := decodeRecord(p)
	return b, err
}

// advance steps behind size bytes, whose new state is written to disk if there
// is a record to mark.
func (q *queue) advance(size int64, state byte, mark bool) (err error) {
	if mark {
		err = setState(q.read, q.at, state)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at += size
	q.blocks = max(0, q.blocks-1)
	q.bytes = max(0, q.bytes-size)
	seg := q.segments[0]
	seg.rejected = seg.rejected || state == stateRejected
	seg.corrupt = seg.corrupt || state == stateCorrupt
	return err
}

// first returns how much of the segment at the drain's offset is durable,
// having removed segments that are finished. Zero: nothing is left, and the
// queue is no longer drained.
func (q *queue) first() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.segments) > 0 {
		seg := q.segments[0]
		if q.at < seg.size {
			q.path = seg.path
			return seg.size
		}
		if len(q.segments) == 1 {
			q.closeWriteLocked()
		}
		if q.read != nil {
			q.read.Close()
			q.read = nil
		}
		q.removeSegment(seg)
		q.segments = q.segments[1:]
		q.at = 0
	}
	q.blocks, q.bytes, q.draining, q.buf = 0, 0, false, nil
	return 0
}

// removeSegment is best effort: a segment that stays is found at the next
// start, where its records are done or are tried again. Segments that hold
// records which nobody could take are kept for a person to look at.
func (q *queue) removeSegment(seg *segment) {
	to := ""
	switch {
	case seg.rejected:
		to = q.rejectedDir
	case seg.corrupt:
		to = q.corruptDir
	default:
		os.Remove(seg.path)
		return
	}
	if makeDir(to) == nil {
		os.Rename(seg.path, filepath.Join(to, filepath.Base(seg.path)))
		syncDir(to)
	}
}
