package otlp

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
)

func init() { encoding.RegisterCompressor(&zstdCompressor{}) }

// zstdCompressor lets gRPC clients send zstd, as OpenTelemetry's collector
// does when told to. gRPC itself bounds the decompressed size.
type zstdCompressor struct{ writers, readers sync.Pool }

// Name is the encoding's name on the wire.
func (*zstdCompressor) Name() string { return "zstd" }

// Compress implements encoding.Compressor.
func (c *zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := c.writers.Get().(*zstdWriter); ok {
		z.Reset(w)
		return z, nil
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return &zstdWriter{z, &c.writers}, nil
}

type zstdWriter struct {
	*zstd.Encoder
	pool *sync.Pool
}

// Close flushes, and gives the encoder to the next message.
func (z *zstdWriter) Close() error {
	defer z.pool.Put(z)
	return z.Encoder.Close()
}

// Decompress implements encoding.Compressor.
func (c *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	if z, ok := c.readers.Get().(*zstdReader); ok {
		return z, z.Reset(r)
	}
	// 8 MiB is the window that the format asks every decoder to bear.
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, err
	}
	return &zstdReader{z, &c.readers}, nil
}

type zstdReader struct {
	*zstd.Decoder
	pool *sync.Pool
}

// Read gives the decoder to the next message once this one is read.
func (z *zstdReader) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	if err == io.EOF {
		z.pool.Put(z)
	}
	return n, err
}
