package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
)

// Options say where ClickHouse is and how to use it.
type Options struct {
	// DSN is http://, https:// or clickhouse://user:password@host:port,host:port/database?...
	// with clickhouse-go's parameters. Several hosts are tried in turn.
	DSN string
	// MaxConns bounds the connections, and with them the requests at once;
	// zero is 32.
	MaxConns int
	// TLS replaces the DSN's choice for https:// and for clickhouse:// with
	// secure=true, such as with roots of your own; nil keeps it.
	TLS        *tls.Config
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil keeps no metrics
}

// Client talks to one ClickHouse server or cluster. It is safe for concurrent
// use.
type Client struct {
	database  string
	transport transport
	conn      driver.Conn
	metrics   *clientMetrics
	log       *slog.Logger
}

// transport is what the two protocols do differently.
type transport interface {
	exec(ctx context.Context, sql string, settings []setting) error
	insert(ctx context.Context, b Block, settings []setting) error
	selectBlocks(ctx context.Context, q Select, queryID string, settings []setting) (Stats, error)
	close() error
}

// Open makes a client and checks that a server answers it.
func Open(ctx context.Context, o Options) (*Client, error) {
	opts, err := parseDSN(o.DSN)
	if err != nil {
		return nil, err
	}
	if o.MaxConns == 0 {
		o.MaxConns = 32
	}
	if opts.DialTimeout == 0 {
		opts.DialTimeout = 5 * time.Second
	}
	if opts.TLS != nil && o.TLS != nil {
		opts.TLS = o.TLS
	}
	opts.MaxOpenConns, opts.MaxIdleConns = o.MaxConns, min(o.MaxConns, 8)
	c := &Client{database: opts.Auth.Database, metrics: newClientMetrics(o.Registerer), log: o.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if opts.Protocol == clickhouse.HTTP {
		c.transport = newHTTPTransport(opts, o.MaxConns)
	} else {
		c.transport = newNativeTransport(opts, o.MaxConns)
	}
	if c.conn, err = clickhouse.Open(opts); err != nil {
		return nil, fmt.Errorf("cannot open ClickHouse: %w", err)
	}
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot reach ClickHouse at %q: %w", opts.Addr, err)
	}
	return c, nil
}

func parseDSN(dsn string) (*clickhouse.Options, error) {
	// No error quotes the DSN, which has the password.
	errDSN := errors.New("cannot parse the ClickHouse DSN: want http://, https:// or clickhouse://user:password@host:port/database")
	scheme, _, _ := strings.Cut(dsn, "://")
	switch base, params, _ := strings.Cut(dsn, "?"); scheme {
	case "https":
		if !strings.Contains("&"+params, "&secure=") {
			dsn = base + "?secure=true&" + params
		}
	case "http", "clickhouse":
	default:
		return nil, errDSN
	}
	opts, err := clickhouse.ParseDSN(dsn)
	var quotes *url.Error
	if errors.As(err, &quotes) {
		return nil, errDSN
	}
	if err != nil {
		return nil, fmt.Errorf("cannot parse the ClickHouse DSN: %w", err)
	}
	for _, addr := range opts.Addr {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("cannot parse the ClickHouse DSN: host %q has no port", addr)
		}
	}
	return opts, nil
}

// Database is the one that unqualified table names are in.
func (c *Client) Database() string { return c.database }

// Exec runs a statement without a result.
func (c *Client) Exec(ctx context.Context, sql string) error {
	done := c.metrics.begin("exec")
	err := convert(ctx, c.transport.exec(ctx, sql, limitSettings(ctx)))
	done(err)
	return err
}

// Query runs a query whose result is small; for big ones there is Select. The
// caller closes the rows and checks their Err. When ctx ends before that, the
// query is cancelled on the server.
func (c *Client) Query(ctx context.Context, sql string) (driver.Rows, error) {
	done := c.metrics.begin("query")
	settings := clickhouse.Settings{}
	for _, s := range append(limitSettings(ctx), readSettings...) {
		settings[s.name] = s.value
	}
	withSettings := clickhouse.Context(noDeadline{ctx}, clickhouse.WithSettings(settings))
	rows, err := c.conn.Query(withSettings, sql)
	for attempt := 0; err != nil && again(ctx, err, attempt); attempt++ {
		rows, err = c.conn.Query(withSettings, sql)
	}
	err = convert(ctx, err)
	done(err)
	if err != nil {
		return nil, err
	}
	return convertedRows{rows, ctx}, nil
}

// noDeadline ends when its context does and hides the deadline, which
// clickhouse-go would send as max_execution_time instead of the one of Limits.
type noDeadline struct{ context.Context }

func (noDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

// convertedRows makes the errors of rows ours.
type convertedRows struct {
	driver.Rows
	ctx context.Context
}

func (r convertedRows) Err() error { return convert(r.ctx, r.Rows.Err()) }

// Ping asks the server for an answer.
func (c *Client) Ping(ctx context.Context) error {
	return convert(ctx, c.transport.exec(ctx, "SELECT 1 FORMAT Null", nil))
}

// Close frees the connections; queries that run fail.
func (c *Client) Close() error {
	err := c.conn.Close()
	if e := c.transport.close(); err == nil {
		err = e
	}
	return err
}
