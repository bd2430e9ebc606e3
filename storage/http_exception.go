package storage

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/ClickHouse/ch-go/proto"
)

// An exception that comes after the response has begun is written at the end
// of the body, where a tag that the response's header announced tells it from
// data (ClickHouse's WriteBufferFromHTTPServerResponse):
//
//	\r\n__exception__\r\n<tag>\r\n<message>\n<length> <tag>\r\n__exception__\r\n
const (
	exceptionMark = "\r\n__exception__\r\n"
	// exceptionSize bounds the exception with its frame, bytes.
	exceptionSize = 32 << 10
)

// tailReader remembers the end of what is read through it.
type tailReader struct {
	r    io.Reader
	mark []byte // what an exception begins with; empty = the server sends none
	tail []byte
}

func newTailReader(r io.Reader, tag string) *tailReader {
	t := &tailReader{r: r}
	if tag != "" {
		t.mark = []byte(exceptionMark + tag + "\r\n")
	}
	return t
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if len(t.mark) > 0 {
		t.remember(p[:n])
	}
	return n, err
}

func (t *tailReader) remember(p []byte) {
	if len(p) >= exceptionSize {
		t.tail = append(t.tail[:0], p[len(p)-exceptionSize:]...)
		return
	}
	if over := len(t.tail) + len(p) - exceptionSize; over > 0 {
		t.tail = t.tail[:copy(t.tail, t.tail[over:])]
	}
	t.tail = append(t.tail, p...)
}

// exception is the one at the end of what has been read, or nil.
func (t *tailReader) exception() *Error {
	if len(t.mark) == 0 {
		return nil
	}
	i := bytes.LastIndex(t.tail, t.mark)
	if i < 0 {
		return nil
	}
	text := t.tail[i+len(t.mark):]
	if end := bytes.LastIndex(text, []byte(exceptionMark)); end >= 0 {
		text = text[:end]
		// The frame's last line has the length of the message.
		if line := bytes.LastIndexByte(text, '\n'); line >= 0 {
			text = text[:line]
		}
	}
	return parseError(0, string(text))
}

// drain reads what is left after a failed decoding, as far as an exception may
// be, and looks for it.
func (t *tailReader) drain() *Error {
	if len(t.mark) == 0 {
		return nil
	}
	// More than an exception may follow when it is not the reason.
	_, _ = io.CopyN(io.Discard, t, 2*exceptionSize)
	return t.exception()
}

// readNative decodes the blocks of a Native stream into q.
func readNative(body io.Reader, tag string, q Select) error {
	tail := newTailReader(body, tag)
	// NewReader takes a buffered reader of this size as it is, so that Peek
	// sees what it will read.
	buffered := bufio.NewReaderSize(tail, 128<<10)
	r := proto.NewReader(buffered)
	var block proto.Block
	for {
		head, err := buffered.Peek(1)
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := block.DecodeRawBlock(r, 0, q.Result); err != nil {
			if late := tail.drain(); late != nil {
				return late
			}
			return err
		}
		if block.Rows == 0 {
			continue
		}
		if err := q.OnBlock(block.Rows); err != nil {
			return err
		}
	}
}
