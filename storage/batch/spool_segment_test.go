package batch

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

// memoryFile is a segmentFile with room for so many bytes.
type memoryFile struct {
	p                 []byte
	room              int
	syncErr, truncErr error
}

func (f *memoryFile) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(f.p).ReadAt(p, at)
}

func (f *memoryFile) WriteAt(p []byte, at int64) (int, error) {
	n := min(len(p), f.room-int(at))
	f.p = append(f.p[:at], p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *memoryFile) Truncate(n int64) error {
	if f.truncErr == nil {
		f.p = f.p[:n]
	}
	return f.truncErr
}

func (f *memoryFile) Sync() error  { return f.syncErr }
func (f *memoryFile) Close() error { return nil }

func TestWriteRecordLeavesNothingHalf(t *testing.T) {
	b := block(t, "numbers", "token", 1, 2, 3)
	whole := &memoryFile{room: 1 << 20}
	size, _, err := writeRecord(whole, 0, b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for room := range int(size) {
		f := &memoryFile{p: []byte("before"), room: 6 + room}
		n, broken, err := writeRecord(f, 6, b, time.Now())
		if n != 0 || broken || !errors.Is(err, syscall.ENOSPC) || string(f.p) != "before" {
			t.Fatalf("room %d: wrote %d, broken %v, err %v, left %q", room, n, broken, err, f.p)
		}
	}
	eio := errors.New("input/output error")
	if _, broken, err := writeRecord(&memoryFile{room: 1 << 20, syncErr: eio}, 0, b, time.Now()); !broken || !errors.Is(err, eio) {
		t.Errorf("after a failed sync: broken %v, err %v", broken, err)
	}
	if _, broken, err := writeRecord(&memoryFile{room: 10, truncErr: eio}, 0, b, time.Now()); !broken || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("after a failed truncate: broken %v, err %v", broken, err)
	}
}

func TestFindHeaderAcrossChunks(t *testing.T) {
	record := encode(t, block(t, "numbers", "token", 1))
	for _, at := range []int{0, 1, 1<<20 - headerSize - 1, 1<<20 - headerSize, 1<<20 - 4, 1<<20 - 1, 1 << 20, 1<<20 + 1} {
		p := append(bytes.Repeat([]byte("WFSPW"), at/5+1)[:at], record...)
		if got := findHeader(bytes.NewReader(p), 0, int64(len(p))); got != int64(at) {
			t.Errorf("found at %d, want %d", got, at)
		}
	}
	if got := findHeader(bytes.NewReader(record), 1, int64(len(record))); got != int64(len(record)) {
		t.Errorf("found at %d, want the end", got)
	}
}

var _ io.ReaderAt = (*memoryFile)(nil)
