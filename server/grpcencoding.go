package server

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // registers itself
)

func init() { encoding.RegisterCompressor(&zstdCodec{decoders: decoders["zstd"]}) }

// zstdCodec is zstd for gRPC messages, which OTLP senders may choose. gRPC
// itself reads no more than its largest message from a decoder.
type zstdCodec struct {
	encoders sync.Pool
	decoders *decoderPool
}

// Name implements encoding.Compressor.
func (*zstdCodec) Name() string { return "zstd" }

// Compress implements encoding.Compressor.
func (c *zstdCodec) Compress(w io.Writer) (io.WriteCloser, error) {
	if e, ok := c.encoders.Get().(*zstd.Encoder); ok {
		e.Reset(w)
		return &zstdWriter{e, &c.encoders}, nil
	}
	e, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &zstdWriter{e, &c.encoders}, nil
}

// zstdWriter gives its encoder back when the message is written.
type zstdWriter struct {
	encoder *zstd.Encoder
	pool    *sync.Pool
}

func (w *zstdWriter) Write(p []byte) (int, error) { return w.encoder.Write(p) }

func (w *zstdWriter) Close() error {
	err := w.encoder.Close()
	w.pool.Put(w.encoder)
	return err
}

// Decompress implements encoding.Compressor.
func (c *zstdCodec) Decompress(r io.Reader) (io.Reader, error) {
	d, err := c.decoders.get(r)
	if err != nil {
		return nil, err
	}
	return &zstdReader{d, c.decoders}, nil
}

// zstdReader gives its decoder back at the end of the message.
type zstdReader struct {
	decoder decoder // nil = given back
	pool    *decoderPool
}

func (r *zstdReader) Read(p []byte) (int, error) {
	if r.decoder == nil {
		return 0, io.EOF
	}
	n, err := r.decoder.Read(p)
	if err == io.EOF { //nolint:errorlint // io.Reader returns it as it is
		r.pool.put(r.decoder)
		r.decoder = nil
	}
	return n, err
}
