package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
)

// DefaultMaxUnpacked is the largest body after unpacking, in bytes, where
// neither the caller of Body nor MuxOptions says otherwise.
const DefaultMaxUnpacked = 64 << 20

// Body reads the whole body of r and unpacks it by its Content-Encoding: none,
// identity, gzip, zstd, snappy (one block, as remote write sends) or deflate.
// max is the largest size after unpacking in bytes, 0 = the Mux's. The bytes
// belong to the caller. Errors are 413 (too large: it stops reading there, a
// bomb costs no more than max), 415 (unknown encoding), 400 (damaged) and, when
// all bodies in hand together exceed the Mux's memory for them, 503.
func Body(r *http.Request, max int64) ([]byte, error) {
	return BodyAs(r, r.Header.Get("Content-Encoding"), max)
}

// BodyAs is Body with the encoding given, for protocols that imply one (Loki's
// push of protobuf is a snappy block without saying so).
func BodyAs(r *http.Request, encoding string, max int64) ([]byte, error) {
	req := requestOf(r.Context())
	if max <= 0 {
		max = req.maxUnpacked
	}
	if max <= 0 {
		max = DefaultMaxUnpacked
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	u := unpacker{src: &source{r: r.Body}, max: max, hold: &req.hold}
	b, err := u.unpack(strings.ToLower(strings.TrimSpace(encoding)))
	if err != nil {
		return nil, u.explain(encoding, err)
	}
	return b, nil
}

// source remembers the error of the body itself, to tell a lost connection
// from damaged data.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

type unpacker struct {
	src  *source
	max  int64
	hold *hold
}

var errTooLarge = errors.New("too large")

func (u *unpacker) unpack(encoding string) ([]byte, error) {
	switch encoding {
	case "", "identity":
		return u.readAll(u.src)
	case "snappy":
		return u.snappyBlock()
	}
	pool, ok := decoders[encoding]
	if !ok {
		return nil, UnsupportedMedia("content encoding %q is not known: use gzip, zstd, snappy, deflate or none", clip(encoding, 40))
	}
	d, err := pool.get(u.src)
	if err != nil {
		return nil, err
	}
	defer pool.put(d)
	return u.readAll(d)
}

// scratch holds the buffers that bodies grow in. Bodies are copied out of them,
// so that what a caller holds is exactly as large as the body.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// maxScratch is the largest buffer in bytes that is kept for the next body.
const maxScratch = 4 << 20

func (u *unpacker) readAll(r io.Reader) ([]byte, error) {
	p := scratch.Get().(*[]byte)
	b, err := u.grow(r, (*p)[:0])
	out := append([]byte(nil), b...)
	if cap(b) <= maxScratch {
		*p = b[:0]
		scratch.Put(p)
	}
	return out, err
}

// grow appends what r has to b, and fails as soon as that is more than max.
func (u *unpacker) grow(r io.Reader, b []byte) ([]byte, error) {
	reserved := 0
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		free := b[len(b):cap(b)]
		if room := u.max + 1 - int64(len(b)); int64(len(free)) > room {
			free = free[:room]
		}
		n, err := r.Read(free)
		b = b[:len(b)+n]
		if int64(len(b)) > u.max {
			return b, errTooLarge
		}
		if len(b) > reserved {
			step := len(b) - reserved + min(len(b), 1<<20) // ahead, so that the budget is not asked at each read
			if errors.Is(err, io.EOF) {
				step = len(b) - reserved
			}
			if err := u.hold.add(int64(step)); err != nil {
				return b, err
			}
			reserved += step
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// maxSnappyRatio is more than a snappy block can shrink anything by: a copy
// element is 3 bytes for at most 64.
const maxSnappyRatio = 32

// snappyBlock unpacks one block. Its header declares the size, which is not
// believed when it is more than the bytes that came can hold.
func (u *unpacker) snappyBlock() ([]byte, error) {
	p := scratch.Get().(*[]byte)
	packed := unpacker{src: u.src, hold: u.hold, max: u.max + u.max/6 + 32} // snappy's MaxEncodedLen of max
	b, err := packed.grow(u.src, (*p)[:0])
	defer func() {
		if cap(b) <= maxScratch {
			*p = b[:0]
			scratch.Put(p)
		}
	}()
	if err != nil {
		return nil, err
	}
	n, err := snappy.DecodedLen(b)
	switch {
	case err != nil:
		return nil, err
	case int64(n) > u.max:
		return nil, errTooLarge
	case n > maxSnappyRatio*len(b):
		return nil, Invalid("snappy block of %d bytes declares %d bytes: it is damaged", len(b), n)
	}
	if err := u.hold.add(int64(n)); err != nil {
		return nil, err
	}
	return snappy.Decode(nil, b)
}

// explain says what went wrong to the client.
func (u *unpacker) explain(encoding string, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, errTooLarge):
		return TooLarge("request body is larger than the limit of %d bytes (unpacked): send less at once, or raise server.max_unpacked_bytes", u.max)
	case errors.Is(u.src.err, os.ErrDeadlineExceeded):
		return Unavailable(time.Second, "request body came too slowly: send it again (server.stall_timeout, server.min_bytes_per_second)")
	case u.src.err != nil:
		var max *http.MaxBytesError
		if errors.As(u.src.err, &max) {
			return u.src.err
		}
		return Invalid("cannot read request body: %w", u.src.err)
	}
	if encoding == "" {
		encoding = "plain"
	}
	return Invalid("cannot unpack %s request body: %w", clip(encoding, 40), err)
}
