package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// segmentFile is what a segment needs of *os.File; tests make it fail.
type segmentFile interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

func openSegment(path string, flag int) (segmentFile, error) {
	return os.OpenFile(path, os.O_RDWR|flag, 0o600)
}

// writeRecord appends b at offset at and makes it durable, or leaves the file
// as long as it was. When even that is impossible, broken is true: nothing may
// be appended to the file any more.
func writeRecord(f segmentFile, at int64, b storage.Block, now time.Time) (n int64, broken bool, err error) {
	head, tail, err := encodeRecord(b, now)
	if err != nil {
		return 0, false, err
	}
	for _, part := range [][]byte{head, b.Native, tail} {
		if _, err = f.WriteAt(part, at+n); err != nil {
			break
		}
		n += int64(len(part))
	}
	synced := false
	if err == nil {
		synced = true
		err = f.Sync()
	}
	if err == nil {
		return n, false, nil
	}
	undo := errors.Join(f.Truncate(at), f.Sync())
	// After a failed fsync the kernel may have dropped pages that it still
	// calls clean, so that file is not trusted with further records.
	return 0, undo != nil || synced, errors.Join(err, undo)
}

func setState(f segmentFile, at int64, state byte) error {
	if _, err := f.WriteAt([]byte{state}, at+stateOffset); err != nil {
		return err
	}
	return f.Sync()
}

func readHeader(f io.ReaderAt, at, size int64) (header, error) {
	p := make([]byte, min(headerSize, size-at))
	if _, err := f.ReadAt(p, at); err != nil {
		return header{}, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	h, err := decodeHeader(p)
	if err == nil && at+h.size() > size {
		return h, errTorn
	}
	return h, err
}

// findHeader returns the offset of the first sound header from at on, or size
// if there is none.
func findHeader(f io.ReaderAt, at, size int64) int64 {
	const chunk = 1 << 20
	p := make([]byte, chunk+headerSize)
	for ; at < size; at += chunk {
		n, _ := f.ReadAt(p[:min(int64(len(p)), size-at)], at)
		for i := 0; i < min(n, chunk); i++ {
			next := bytes.Index(p[i:n], []byte(recordMagic))
			if next < 0 || i+next >= chunk {
				break
			}
			i += next
			if h, err := decodeHeader(p[i:n]); err == nil && at+int64(i)+h.size() <= size {
				return at + int64(i)
			}
		}
	}
	return size
}

// survey is what a segment holds.
type survey struct {
	first  int64 // offset of the first record to be drained, or of the end
	end    int64 // offset behind the last sound record
	blocks int   // to be drained
	bytes  int64 // to be drained
	oldest time.Time
	bad    bool // bytes that are no record
}

// surveySegment walks the headers of a segment. Records that were rejected or
// corrupt count as to be drained again: a person may have moved the segment
// back.
func surveySegment(f io.ReaderAt, size int64) survey {
	s := survey{first: -1}
	for at := int64(0); at < size; {
		h, err := readHeader(f, at, size)
		if err != nil {
			next := findHeader(f, at+1, size)
			torn := errors.Is(err, errTorn) && next == size
			s.bad = s.bad || !torn
			if next == size {
				break
			}
			at = next
			continue
		}
		if h.state != stateDone {
			if s.first < 0 {
				s.first, s.oldest = at, h.spooled
			}
			s.blocks++
			s.bytes += h.size()
		}
		at += h.size()
		s.end = at
	}
	if s.first < 0 {
		s.first = s.end
	}
	return s
}
