package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/klauspost/compress/zstd"
)

// httpTransport speaks ClickHouse's HTTP interface with raw Native blocks.
type httpTransport struct {
	client *http.Client
	hosts  []string
	next   atomic.Uint32 // the host that answered last
	opts   *clickhouse.Options
	base   url.Values
	scheme string
	zstd   *zstd.Encoder // nil sends and asks for no compression
}

func newHTTPTransport(opts *clickhouse.Options, maxConns int) *httpTransport {
	t := &httpTransport{hosts: opts.Addr, opts: opts, base: url.Values{}, scheme: "http"}
	if opts.TLS != nil {
		t.scheme = "https"
	}
	if opts.Auth.Database != "" {
		t.base.Set("database", opts.Auth.Database)
	}
	for name, value := range opts.Settings {
		t.base.Set(name, fmt.Sprint(value))
	}
	if compressed(opts) {
		t.zstd, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)) // fails on bad options only
		t.base.Set("enable_http_compression", "1")
	}
	t.client = &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: opts.DialTimeout}).DialContext,
		TLSClientConfig:     opts.TLS,
		MaxConnsPerHost:     maxConns,
		MaxIdleConnsPerHost: maxConns,
		// Below the server's keep_alive_timeout of 10 s in older versions: a
		// connection that the server closes meets the next request.
		IdleConnTimeout:    8 * time.Second,
		DisableCompression: true,
	}}
	return t
}

// compressed is the DSN's choice; without one, hosts that are not this one get
// zstd. HTTP has no other method here, whichever the DSN names.
func compressed(opts *clickhouse.Options) bool {
	if opts.Compression != nil {
		return opts.Compression.Method != clickhouse.CompressionNone
	}
	for _, host := range opts.Addr {
		if !loopback(host) {
			return true
		}
	}
	return false
}

func (t *httpTransport) close() error {
	t.client.CloseIdleConnections()
	if t.zstd != nil {
		return t.zstd.Close()
	}
	return nil
}

func (t *httpTransport) exec(ctx context.Context, sql string, settings []setting) error {
	resp, err := t.do(ctx, request{body: []byte(sql), settings: settings})
	if err != nil {
		return err
	}
	return drain(resp)
}

func (t *httpTransport) insert(ctx context.Context, b Block, settings []setting) error {
	for attempt := 0; ; attempt++ {
		resp, err := t.do(ctx, request{query: b.statement(), body: b.Native, settings: settings})
		if err == nil {
			err = drain(resp)
		}
		if err == nil || b.Token == "" || !again(ctx, err, attempt) {
			return err
		}
	}
}

func (t *httpTransport) selectBlocks(ctx context.Context, q Select, queryID string, settings []setting) (Stats, error) {
	start := time.Now()
	settings = append(settings, setting{"default_format", "Native"}, setting{"query_id", queryID})
	resp, err := t.do(ctx, request{body: []byte(q.SQL), settings: settings})
	if err != nil {
		return Stats{Elapsed: time.Since(start)}, err
	}
	defer resp.Body.Close()
	body := &countingReader{r: resp.Body}
	rows := uint64(0)
	onBlock := q.OnBlock
	q.OnBlock = func(n int) error {
		rows += uint64(n)
		return onBlock(n)
	}
	err = readNative(body, resp.Header.Get("X-ClickHouse-Exception-Tag"), q)
	// The header was written with the first block. What a query reads after
	// that, it mostly streams to us.
	stats := summary(resp.Header)
	return Stats{Rows: max(stats.Rows, rows), Bytes: max(stats.Bytes, body.n), Elapsed: time.Since(start)}, err
}

// request is one HTTP request; query is empty when body is the query.
type request struct {
	query    string
	body     []byte
	settings []setting
}

// do sends r to the host that answered last and, when a host can't be
// connected to, to the others. The response has status 200.
func (t *httpTransport) do(ctx context.Context, r request) (*http.Response, error) {
	var errs []error
	first := t.next.Load()
	for i := range t.hosts {
		n := (int(first) + i) % len(t.hosts)
		resp, err := t.send(ctx, t.hosts[n], r)
		if err == nil {
			t.next.Store(uint32(n))
			return resp, nil
		}
		errs = append(errs, err)
		if !refused(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// refused tells that a request did not reach the host.
func refused(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial"
}

func (t *httpTransport) send(ctx context.Context, host string, r request) (*http.Response, error) {
	params := make(url.Values, len(t.base)+len(r.settings)+1)
	for k, v := range t.base {
		params[k] = v
	}
	for _, s := range r.settings {
		params.Set(s.name, s.value)
	}
	if r.query != "" {
		params.Set("query", r.query)
	}
	u := url.URL{Scheme: t.scheme, Host: host, Path: "/" + strings.TrimPrefix(t.opts.HttpUrlPath, "/"), RawQuery: params.Encode()}
	body, encoding := r.body, ""
	if t.zstd != nil && r.query != "" {
		body, encoding = t.zstd.EncodeAll(body, make([]byte, 0, len(body)/4)), "zstd"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot make a request to ClickHouse: %w", err)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if t.zstd != nil {
		req.Header.Set("Accept-Encoding", "zstd")
	}
	for k, v := range t.opts.HttpHeaders {
		req.Header.Set(k, v)
	}
	req.Header.Set("X-ClickHouse-User", t.opts.Auth.Username)
	req.Header.Set("X-ClickHouse-Key", t.opts.Auth.Password)
	resp, err := t.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL is long and says nothing new
		}
		return nil, fmt.Errorf("%s: %w", host, err)
	}
	if resp.Header.Get("Content-Encoding") == "zstd" {
		d, err := zstd.NewReader(resp.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			resp.Body.Close()
			return nil, fmt.Errorf("cannot decompress the answer of %s: %w", host, err)
		}
		resp.Body = &zstdBody{d, resp.Body}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	code, _ := strconv.Atoi(resp.Header.Get("X-ClickHouse-Exception-Code"))
	if code == 0 && !bytes.Contains(body, []byte("DB::Exception")) {
		// A proxy's answer, not ClickHouse's.
		return nil, &unavailableError{fmt.Errorf("%s answered %s: %.200q", host, resp.Status, body)}
	}
	return nil, parseError(code, string(body))
}

// zstdBody is a decompressed body.
type zstdBody struct {
	*zstd.Decoder
	body io.Closer
}

func (b *zstdBody) Close() error {
	b.Decoder.Close()
	return b.body.Close()
}

// drain reads a response whose result does not matter to its end, so that the
// connection can be used again and a late exception is seen.
func drain(resp *http.Response) error {
	defer resp.Body.Close()
	t := newTailReader(resp.Body, resp.Header.Get("X-ClickHouse-Exception-Tag"))
	_, err := io.Copy(io.Discard, t)
	if late := t.exception(); late != nil {
		return late
	}
	return err
}

// countingReader counts what is read through it.
type countingReader struct {
	r io.Reader
	n uint64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += uint64(n)
	return n, err
}

// summary reads the server's counters.
func summary(h http.Header) Stats {
	var s struct {
		Rows  uint64 `json:"read_rows,string"`
		Bytes uint64 `json:"read_bytes,string"`
	}
	_ = json.Unmarshal([]byte(h.Get("X-ClickHouse-Summary")), &s)
	return Stats{Rows: s.Rows, Bytes: s.Bytes}
}
