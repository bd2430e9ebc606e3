package server

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// decoder unpacks a stream and can be used for the next.
type decoder interface {
	io.Reader
	Reset(r io.Reader) error
}

// decoderPool keeps decoders of one encoding: their tables cost more than most
// bodies.
type decoderPool struct {
	open func(r io.Reader) (decoder, error)
	pool sync.Pool
}

// decoders are the encodings of HTTP that are streams.
var decoders = map[string]*decoderPool{
	"gzip":    {open: openGzip},
	"x-gzip":  {open: openGzip},
	"deflate": {open: openZlib}, // RFC 9110: the zlib format
	"zlib":    {open: openZlib},
	"zstd":    {open: openZstd},
}

func (p *decoderPool) get(r io.Reader) (decoder, error) {
	d, ok := p.pool.Get().(decoder)
	if !ok {
		return p.open(r)
	}
	if err := d.Reset(r); err != nil {
		p.pool.Put(d)
		return nil, err
	}
	return d, nil
}

func (p *decoderPool) put(d decoder) { p.pool.Put(d) }

func openGzip(r io.Reader) (decoder, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err // a nil *gzip.Reader in a decoder would not be nil
	}
	return z, nil
}

type zlibDecoder struct {
	io.Reader
	zlib.Resetter
}

func (d zlibDecoder) Reset(r io.Reader) error { return d.Resetter.Reset(r, nil) }

func openZlib(r io.Reader) (decoder, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	return zlibDecoder{Reader: z, Resetter: z.(zlib.Resetter)}, nil
}

// zstdWindow is the largest window in bytes that is accepted: what RFC 8878
// asks every decoder to bear. Level 19 of the zstd command stays within it.
const zstdWindow = 8 << 20

func openZstd(r io.Reader) (decoder, error) {
	// One at a time: then it starts no goroutines that a pool would leak.
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
}
