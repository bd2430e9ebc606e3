package storage_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

var spread = storage.Flavour{Cluster: "watchfire", Unreplicated: true}

// cluster starts two engines that are the shards of one cluster, and returns
// clients of their native ports.
func cluster(t *testing.T) (a, b *storage.Client, dsns []string) {
	t.Helper()
	var (
		ports  [2]int
		shards []string
	)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		shards = append(shards, l.Addr().String())
		l.Close()
	}
	password := rand.Text()
	var clients [2]*storage.Client
	for i, port := range ports {
		cfg := enginetest.Config(t.TempDir())
		cfg.Cluster = &engine.Cluster{Name: spread.Cluster, TCPPort: port, Shards: shards, Password: password}
		e, err := engine.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		dsns = append(dsns, e.TCPDSN())
		if clients[i], err = storage.Open(t.Context(), storage.Options{DSN: e.TCPDSN()}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { clients[i].Close() })
	}
	return clients[0], clients[1], dsns
}

func scalar(t testing.TB, c *storage.Client, sql string) uint64 {
	t.Helper()
	var n proto.ColUInt64
	got := uint64(0)
	if _, err := c.Select(t.Context(), storage.Select{
		SQL: sql, Result: proto.Results{{Data: &n}},
		OnBlock: func(int) error { got = n.Row(0); return nil },
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCluster(t *testing.T) {
	a, b, dsns := cluster(t)
	table := numbers
	table.ShardBy = "n"
	ms := []storage.Migration{storage.CreateTables("test", 1, "numbers", table)}
	for _, c := range []*storage.Client{a, b, a} {
		if err := storage.Migrate(t.Context(), c, spread, ms); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("rows are spread and found", func(t *testing.T) {
		for range 2 { // the second is a retry: deduplicated on each shard
			if err := a.Insert(t.Context(), block(t, "spread", "token", 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if n := scalar(t, b, "SELECT count() FROM numbers"); n != 1000 {
			t.Errorf("got %d rows through the other shard, want 1000", n)
		}
		for _, c := range []*storage.Client{a, b} {
			if n := scalar(t, c, "SELECT count() FROM numbers_local"); n != 500 {
				t.Errorf("a shard has %d rows, want 500", n)
			}
		}
	})

	t.Run("every type goes through", func(t *testing.T) {
		in := storage.EveryType()
		columns := ""
		for i, c := range in {
			if i > 0 {
				columns += ", "
			}
			columns += fmt.Sprintf("%s %s", c.Name, c.Data.Type())
		}
		if err := a.Exec(t.Context(), "CREATE TABLE every ("+columns+") ENGINE = MergeTree ORDER BY ints"); err != nil {
			t.Fatal(err)
		}
		blk, err := storage.NewBlock("every", "every", 3, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Insert(t.Context(), blk); err != nil {
			t.Fatal(err)
		}
		if n := scalar(t, a, "SELECT count() FROM every WHERE m['k'] = 'v' AND tuple.2 = 't' AND length(array) = ints AND toUInt128(ints) = id"); n != 3 {
			t.Errorf("got %d rows, want 3", n)
		}
	})

	t.Run("errors, limits and cancel", func(t *testing.T) {
		_, err := a.Select(t.Context(), discard("SELECT x FROM nowhere"))
		var e *storage.Error
		if !errors.As(err, &e) || e.Code != 60 || e.Name != "UNKNOWN_TABLE" {
			t.Errorf("got %v", err)
		}
		if err := a.Exec(t.Context(), "DROP TABLE nowhere"); !errors.As(err, &e) || e.Code != 60 {
			t.Errorf("got %v", err)
		}
		_, err = a.Select(storage.WithLimits(t.Context(), storage.Limits{MaxRowsRead: 10}), discard("SELECT number FROM numbers(1000)"))
		if !errors.Is(err, storage.ErrLimit) {
			t.Errorf("got %v", err)
		}
		stats, err := a.Select(t.Context(), discard("SELECT number FROM numbers(3000000)"))
		if err != nil || stats.Rows != 3000000 {
			t.Errorf("got %+v, %v", stats, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := a.Select(ctx, discard("SELECT sum(cityHash64(number)) AS marker_native FROM numbers(100000000000)"))
			done <- err
		}()
		eventually(t, "the query starts", func() bool { return running(t, a, "marker_native") == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		eventually(t, "the query ends", func() bool { return running(t, a, "marker_native") == 0 })
	})

	t.Run("another host answers for a dead one", func(t *testing.T) {
		dead, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := dead.Addr().String()
		dead.Close()
		c, err := storage.Open(t.Context(), storage.Options{DSN: withHost(dsns[0], addr)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n := scalar(t, c, "SELECT count() FROM numbers"); n != 1000 {
			t.Errorf("got %d rows", n)
		}
	})
}
