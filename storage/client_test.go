package storage_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"go.uber.org/goleak"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

var numbers = storage.Table{
	Name:    "numbers",
	Columns: []storage.Column{{Name: "tenant", Type: "LowCardinality(String)"}, {Name: "n", Type: "UInt64"}},
	Engine:  "MergeTree", OrderBy: "tenant, n",
}

func TestMain(m *testing.M) {
	code := enginetest.Run(m, storage.CreateTables("test", 1, "numbers", numbers))
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// block makes a block of rows from 0 to n-1 of a tenant.
func block(t testing.TB, tenant, token string, n int) storage.Block {
	t.Helper()
	var (
		tenants = new(proto.ColStr).LowCardinality()
		values  proto.ColUInt64
	)
	for i := range n {
		tenants.Append(tenant)
		values.Append(uint64(i))
	}
	b, err := storage.NewBlock("numbers", token, n, proto.Input{{Name: "tenant", Data: tenants}, {Name: "n", Data: &values}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func count(t testing.TB, c *storage.Client, tenant string) uint64 {
	t.Helper()
	var n proto.ColUInt64
	total := uint64(0)
	_, err := c.Select(t.Context(), storage.Select{
		SQL:     "SELECT count() AS n FROM numbers WHERE tenant = " + storage.String(tenant),
		Result:  proto.Results{{Name: "n", Data: &n}},
		OnBlock: func(int) error { total += n.Row(0); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestInsertIsDeduplicatedByToken(t *testing.T) {
	c := enginetest.Client(t)
	tenant := enginetest.Tenant(t)
	for _, token := range []string{"a", "a", "b"} {
		if err := c.Insert(t.Context(), block(t, tenant, tenant+token, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, c, tenant); n != 20 {
		t.Errorf("got %d rows, want 20", n)
	}
}

func TestQuery(t *testing.T) {
	c := enginetest.Client(t)
	rows, err := c.Query(context.Background(), "SELECT number, toString(number) FROM numbers(3)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var (
			u uint64
			s string
		)
		if err := rows.Scan(&u, &s); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if rows.Err() != nil || n != 3 {
		t.Errorf("got %d rows, %v", n, rows.Err())
	}
}
