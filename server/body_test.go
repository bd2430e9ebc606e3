package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func pack(t testing.TB, encoding string, plain []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "":
		return plain
	case "snappy":
		return snappy.Encode(nil, plain)
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "zstd":
		z, err := zstd.NewWriter(&out)
		require.NoError(t, err)
		w = z
	}
	_, err := w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func bodyRequest(body []byte, encoding string) *http.Request {
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r
}

var encodings = []string{"", "gzip", "deflate", "zstd", "snappy"}

func TestBody(t *testing.T) {
	random := make([]byte, 300_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, encoding := range encodings {
		for name, plain := range map[string][]byte{"nothing": {}, "a word": []byte("word"), "text": bytes.Repeat([]byte("all work and no play "), 20_000), "noise": random} {
			t.Run(encoding+" "+name, func(t *testing.T) {
				packed := pack(t, encoding, plain)
				for range 2 { // the second with decoders from the pool
					got, err := Body(bodyRequest(packed, encoding), 1<<20)
					require.NoError(t, err)
					require.True(t, bytes.Equal(plain, got))
				}
				got, err := Body(bodyRequest(packed, encoding), int64(max(1, len(plain))))
				require.NoError(t, err, "exactly the limit")
				require.Len(t, got, len(plain))
				if len(plain) > 1 {
					_, err = Body(bodyRequest(packed, encoding), int64(len(plain)-1))
					require.Equal(t, 413, AsError(t.Context(), err).Status)
					require.ErrorContains(t, err, "server.max_unpacked_bytes")
				}
				if encoding != "" && len(plain) > 0 {
					_, err = Body(bodyRequest(packed[:len(packed)-1], encoding), 1<<20)
					require.Equal(t, 400, AsError(t.Context(), err).Status, err)
				}
			})
		}
	}
}

func TestBodyErrors(t *testing.T) {
	declared := binary.AppendUvarint(nil, 1<<30)
	lying := append(binary.AppendUvarint(nil, 50<<20), "abc"...)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		status         int
		says           string
	}{
		{"unknown encoding", "br", []byte("x"), 415, "use gzip, zstd, snappy, deflate or none"},
		{"two encodings", "gzip, gzip", []byte("x"), 415, "gzip, gzip"},
		{"no gzip", "gzip", []byte("plain text"), 400, "cannot unpack gzip"},
		{"no zlib", "deflate", []byte("plain text"), 400, "cannot unpack deflate"},
		{"no zstd", "zstd", []byte("plain text"), 400, "cannot unpack zstd"},
		{"empty gzip", "gzip", nil, 400, "cannot unpack gzip"},
		{"empty snappy", "snappy", nil, 400, "cannot unpack snappy"},
		{"snappy declares too much", "snappy", declared, 413, "limit of 67108864 bytes"},
		{"snappy declares more than came", "snappy", lying, 400, "declares 52428800 bytes"},
		{"snappy as a stream", "snappy", []byte("\xff\x06\x00\x00sNaPpY\x00\x00\x00\x00"), 400, "snappy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Body(bodyRequest(c.body, c.encoding), 0)
			e := AsError(t.Context(), err)
			require.Equal(t, c.status, e.Status, e.Message)
			require.Contains(t, e.Message, c.says)
		})
	}
	t.Run("sent too much", func(t *testing.T) {
		r := bodyRequest(bytes.Repeat([]byte("x"), 2000), "")
		r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 1000)
		_, err := Body(r, 0)
		require.Equal(t, 413, AsError(t.Context(), err).Status)
		require.Contains(t, AsError(t.Context(), err).Message, "server.max_body_bytes")
	})
	t.Run("lost connection", func(t *testing.T) {
		r := bodyRequest(nil, "gzip")
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(pack(t, "gzip", []byte("half"))[:12]), &failing{io.ErrUnexpectedEOF}))
		_, err := Body(r, 0)
		require.Equal(t, 400, AsError(t.Context(), err).Status)
		require.ErrorContains(t, err, "cannot read request body")
	})
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A bomb must cost no more memory than its limit, whatever it unpacks to.
func TestBodyBomb(t *testing.T) {
	zeros := make([]byte, 64<<20)
	for _, encoding := range []string{"gzip", "deflate", "zstd", "snappy"} {
		t.Run(encoding, func(t *testing.T) {
			bomb := pack(t, encoding, zeros)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Body(bodyRequest(bomb, encoding), 1<<20)
			runtime.ReadMemStats(&after)
			require.Equal(t, 413, AsError(t.Context(), err).Status)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24<<20))
		})
	}
}

func TestBodyMemory(t *testing.T) {
	memory := NewBodyMemory(1<<20, nil)
	inside, leave := make(chan struct{}), make(chan struct{})
	m := NewMux(MuxOptions{Memory: memory})
	m.HandleFunc("POST /", Ingest, func(_ http.ResponseWriter, r *http.Request) error {
		b, err := Body(r, 0)
		if err != nil {
			return err
		}
		if len(b) > 600_000 {
			close(inside)
			<-leave
		}
		return nil
	})
	s := httptest.NewServer(m)
	defer s.Close()
	push := func(n int) int {
		res, err := http.Post(s.URL, "", bytes.NewReader(make([]byte, n)))
		if err != nil {
			t.Error(err)
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	done := make(chan int)
	go func() { done <- push(5 << 20) }() // alone, so let in though larger
	<-inside
	require.Equal(t, 503, push(100_000))
	close(leave)
	require.Equal(t, 200, <-done)
	require.Equal(t, 200, push(100_000))
	require.Eventually(t, func() bool { return memory.used.Load() == 0 }, testWait, testTick)
}

func FuzzBody(f *testing.F) {
	for i, encoding := range encodings {
		f.Add(byte(i), pack(f, encoding, []byte(strings.Repeat("seed", 100))))
	}
	f.Add(byte(4), binary.AppendUvarint(nil, 1<<40))
	f.Add(byte(3), []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		const limit = 1 << 16
		b, err := Body(bodyRequest(body, encodings[int(which)%len(encodings)]), limit)
		if err == nil {
			if len(b) > limit {
				t.Fatalf("%d bytes came through a limit of %d", len(b), limit)
			}
			return
		}
		if e := AsError(context.Background(), err); e.Status != 400 && e.Status != 413 {
			t.Fatalf("status %d: %v", e.Status, err)
		}
		if errors.Is(err, io.EOF) && len(b) > 0 {
			t.Fatal("bytes with an error")
		}
	})
}

func BenchmarkBody(b *testing.B) {
	plain := bytes.Repeat([]byte(`node_cpu_seconds_total{cpu="0",mode="idle"} 12345.67 `), 20_000)
	for _, encoding := range encodings[1:] {
		packed := pack(b, encoding, plain)
		b.Run(encoding, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Body(bodyRequest(packed, encoding), 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
