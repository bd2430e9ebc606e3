package storage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// nativeVersion is the newest protocol whose blocks are framed as those of the
// Native format over HTTP; the next one adds a flag to each column.
const nativeVersion = int(proto.FeatureCustomSerialization) - 1

// nativeTransport speaks ClickHouse's native TCP protocol.
type nativeTransport struct {
	opts  *clickhouse.Options
	slots chan struct{} // one for each connection in use
	next  atomic.Uint32 // the host that answered last

	mu     sync.Mutex
	idle   []idleConn
	closed bool
}

type idleConn struct {
	*ch.Client
	since time.Time
}

// maxIdle is how long a connection is kept for the next request; servers close
// idle ones after an hour, load balancers often after minutes.
const maxIdle = time.Minute

func newNativeTransport(opts *clickhouse.Options, maxConns int) *nativeTransport {
	return &nativeTransport{opts: opts, slots: make(chan struct{}, maxConns)}
}

func (t *nativeTransport) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.idle {
		c.Close()
	}
	t.idle = nil
	return nil
}

func (t *nativeTransport) exec(ctx context.Context, sql string, settings []setting) error {
	return t.do(ctx, ch.Query{
		Body: sql, Settings: nativeSettings(settings),
		Result:   (&proto.Results{}).Auto(),
		OnResult: func(context.Context, proto.Block) error { return nil },
	})
}

func (t *nativeTransport) insert(ctx context.Context, b Block, settings []setting) error {
	input, err := splitBlock(b.Native)
	if err != nil {
		return &Error{Code: codeIncorrectData, Name: "INCORRECT_DATA", Message: err.Error()}
	}
	q := ch.Query{Body: b.statement(), Input: input, Settings: nativeSettings(settings)}
	for attempt := 0; ; attempt++ {
		err := t.do(ctx, q)
		if err == nil || b.Token == "" || !again(ctx, err, attempt) {
			return err
		}
	}
}

func (t *nativeTransport) selectBlocks(ctx context.Context, q Select, queryID string, settings []setting) (Stats, error) {
	start := time.Now()
	var stats Stats
	err := t.do(ctx, ch.Query{
		Body: q.SQL, QueryID: queryID, Settings: nativeSettings(settings), Result: q.Result,
		OnResult: func(_ context.Context, b proto.Block) error {
			if b.Rows == 0 {
				return nil
			}
			return q.OnBlock(b.Rows)
		},
		OnProgress: func(_ context.Context, p proto.Progress) error {
			stats.Rows += p.Rows
			stats.Bytes += p.Bytes
			return nil
		},
	})
	stats.Elapsed = time.Since(start)
	return stats, err
}

// do runs q on a connection. One that fails is not used again.
func (t *nativeTransport) do(ctx context.Context, q ch.Query) error {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c, err := t.acquire(ctx)
	if err != nil {
		return err
	}
	err = c.Do(ctx, q)
	var theirs *ch.Exception
	if err == nil || errors.As(err, &theirs) && !c.IsClosed() {
		t.release(c)
		return err
	}
	c.Close()
	return err
}

func (t *nativeTransport) acquire(ctx context.Context) (*ch.Client, error) {
	t.mu.Lock()
	for len(t.idle) > 0 {
		c := t.idle[len(t.idle)-1]
		t.idle = t.idle[:len(t.idle)-1]
		if time.Since(c.since) < maxIdle {
			t.mu.Unlock()
			return c.Client, nil
		}
		c.Close()
	}
	t.mu.Unlock()
	return t.dial(ctx)
}

func (t *nativeTransport) release(c *ch.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		c.Close()
		return
	}
	t.idle = append(t.idle, idleConn{c, time.Now()})
}

// dial connects to the host that answered last or else to the next ones.
func (t *nativeTransport) dial(ctx context.Context) (*ch.Client, error) {
	var errs []error
	first := t.next.Load()
	for i := range t.opts.Addr {
		n := (int(first) + i) % len(t.opts.Addr)
		host := t.opts.Addr[n]
		o := ch.Options{
			Address: host, Database: t.opts.Auth.Database, User: t.opts.Auth.Username, Password: t.opts.Auth.Password,
			ClientName: "watchfire", ProtocolVersion: nativeVersion,
			DialTimeout: t.opts.DialTimeout, HandshakeTimeout: t.opts.DialTimeout,
			// The server reports progress all the time; a dead one is found by
			// TCP's own keep-alive.
			ReadTimeout: 5 * time.Minute,
			TLS:         t.opts.TLS,
			Compression: nativeCompression(t.opts, host),
		}
		for name, value := range t.opts.Settings {
			o.Settings = append(o.Settings, ch.Setting{Key: name, Value: fmt.Sprint(value), Important: true})
		}
		c, err := ch.Dial(ctx, o)
		if err == nil {
			t.next.Store(uint32(n))
			return c, nil
		}
		var theirs *ch.Exception
		if errs = append(errs, fmt.Errorf("%s: %w", host, err)); errors.As(err, &theirs) || ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// nativeCompression is the DSN's choice; without one, LZ4 for hosts that are
// not this one.
func nativeCompression(opts *clickhouse.Options, host string) ch.Compression {
	if opts.Compression != nil {
		switch opts.Compression.Method {
		case clickhouse.CompressionNone:
			return ch.CompressionDisabled
		case clickhouse.CompressionZSTD:
			return ch.CompressionZSTD
		}
		return ch.CompressionLZ4
	}
	if loopback(host) {
		return ch.CompressionDisabled
	}
	return ch.CompressionLZ4
}

func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

func nativeSettings(settings []setting) []ch.Setting {
	out := make([]ch.Setting, 0, len(settings))
	for _, s := range settings {
		out = append(out, ch.Setting{Key: s.name, Value: s.value, Important: true})
	}
	return out
}
