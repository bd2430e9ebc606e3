package records_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/records"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

type rule struct{ Expr string }

func key(id string) records.Key { return records.Key{Tenant: "default", Kind: "rule", ID: id} }

func TestDocuments(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		if _, err := db.Get(ctx, key("a")); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("get of nothing: %v", err)
		}
		v1, err := db.Put(ctx, key("a"), rule{"up"}, records.Absent)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Put(ctx, key("a"), rule{"up"}, records.Absent); !errors.Is(err, records.ErrConflict) {
			t.Errorf("second absent put: %v", err)
		}
		v2, err := db.Put(ctx, key("a"), rule{"down"}, v1)
		if err != nil || v2 <= v1 {
			t.Fatalf("put: version %d after %d, %v", v2, v1, err)
		}
		if _, err := db.Put(ctx, key("a"), rule{"up"}, v1); !errors.Is(err, records.ErrConflict) {
			t.Errorf("put of an old version: %v", err)
		}
		if _, err := db.Put(ctx, key("b"), rule{"up"}, v2); !errors.Is(err, records.ErrConflict) {
			t.Errorf("put of a version of nothing: %v", err)
		}
		d, err := db.Get(ctx, key("a"))
		if err != nil {
			t.Fatal(err)
		}
		var r rule
		if err := d.Decode(&r); err != nil || r.Expr != "down" || d.Version != v2 || d.Key != key("a") {
			t.Errorf("got %+v, %v", d, err)
		}
		if age := time.Since(d.Updated); age < -time.Second || age > time.Minute {
			t.Errorf("updated %s ago", age)
		}
		if err := db.Delete(ctx, key("a"), v1); !errors.Is(err, records.ErrConflict) {
			t.Errorf("delete of an old version: %v", err)
		}
		if err := db.Delete(ctx, key("a"), v2); err != nil {
			t.Error(err)
		}
		if err := db.Delete(ctx, key("a"), v2); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("second delete: %v", err)
		}
		v3, err := db.Put(ctx, key("a"), rule{}, records.Any)
		if err != nil || v3 <= v2 {
			t.Errorf("a document that was made again has version %d after %d, %v", v3, v2, err)
		}
		if err := db.Delete(ctx, key("a"), records.Any); err != nil {
			t.Error(err)
		}
	})
}

func TestValuesAreKeptByteByByte(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		for _, text := range []string{`{"b" : 1, "a":1.0, "a":2}`, `"\u0000 火 <&>"`, `null`, `1e400`} {
			if _, err := db.Put(ctx, key("火/a%b"), json.RawMessage(text), records.Any); err != nil {
				t.Fatal(err)
			}
			d, err := db.Get(ctx, key("火/a%b"))
			if err != nil || string(d.Value) != text {
				t.Errorf("got %s, want %s, %v", d.Value, text, err)
			}
		}
		for _, bad := range []any{json.RawMessage(`{`), json.RawMessage("\"\xff\""), json.RawMessage(``), make(chan int)} {
			if _, err := db.Put(ctx, key("a"), bad, records.Any); !errors.Is(err, records.ErrInvalid) {
				t.Errorf("put of %v: %v", bad, err)
			}
		}
		for _, bad := range []string{"", "a\x00b", "\xff", "\U0010ffff"} {
			if _, err := db.Put(ctx, key(bad), 1, records.Any); !errors.Is(err, records.ErrInvalid) {
				t.Errorf("put of id %q: %v", bad, err)
			}
		}
	})
}

func TestList(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		ids := []string{"B", "a", "a%", "a/1", "a/10", "a/2", "a_", "b", "é", "火"} // by bytes
		for _, id := range ids {
			if _, err := db.Put(ctx, key(id), id, records.Absent); err != nil {
				t.Fatal(err)
			}
		}
		for _, other := range []records.Key{{"default", "silence", "a/3"}, {"team", "rule", "a/4"}} {
			if _, err := db.Put(ctx, other, 1, records.Absent); err != nil {
				t.Fatal(err)
			}
		}
		for _, test := range []struct {
			query records.Query
			want  []string
		}{
			{records.Query{}, ids},
			{records.Query{Prefix: "a/"}, []string{"a/1", "a/10", "a/2"}},
			{records.Query{Prefix: "a_"}, []string{"a_"}},
			{records.Query{Prefix: "a/1"}, []string{"a/1", "a/10"}},
			{records.Query{Limit: 3}, ids[:3]},
			{records.Query{Limit: 3, After: ids[2]}, ids[3:6]},
			{records.Query{Prefix: "a/", After: "a/1", Limit: 1}, []string{"a/10"}},
			{records.Query{After: "火"}, nil},
		} {
			test.query.Tenant, test.query.Kind = "default", "rule"
			docs, err := db.List(ctx, test.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range docs {
				got = append(got, d.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%+v: got %q, want %q", test.query, got, test.want)
			}
		}
		tenants, err := db.Tenants(ctx, "rule")
		if err != nil || !slices.Equal(tenants, []string{"default", "team"}) {
			t.Errorf("tenants %q, %v", tenants, err)
		}
	})
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		before, err := db.Revision(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("stop")
		err = db.Update(ctx, func(tx *records.Tx) error {
			if _, err := tx.Put(ctx, key("a"), 1, records.Absent); err != nil {
				return err
			}
			if _, err := tx.Append(ctx, "default", "audit", 1); err != nil {
				return err
			}
			if _, err := tx.Get(ctx, key("a")); err != nil {
				t.Errorf("a transaction does not see its own write: %v", err)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			db.Update(ctx, func(tx *records.Tx) error {
				tx.Put(ctx, key("a"), 1, records.Absent)
				panic("bug")
			})
		}()
		if _, err := db.Get(ctx, key("a")); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("rolled back, but: %v", err)
		}
		if _, err := db.Last(ctx, "default", "audit"); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("rolled back, but: %v", err)
		}
		if after, err := db.Revision(ctx); err != nil || after != before {
			t.Errorf("revision %d after %d, %v", after, before, err)
		}
		err = db.Update(ctx, func(tx *records.Tx) error {
			_, err1 := tx.Put(ctx, key("a"), 1, records.Absent)
			_, err2 := tx.Put(ctx, key("b"), 1, records.Absent)
			return errors.Join(err1, err2)
		})
		if err != nil {
			t.Fatal(err)
		}
		if after, err := db.Revision(ctx); err != nil || after != before+2 {
			t.Errorf("revision %d after %d, %v", after, before, err)
		}
	})
}

// Two replicas with several writers each count in one document and one stream.
func TestConcurrentWriters(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		const writers, each = 4, 10
		ctx := t.Context()
		var wg sync.WaitGroup
		replicas := []*records.DB{recordstest.Open(t, dsn), recordstest.Open(t, dsn)}
		for w := range writers {
			wg.Go(func() {
				db := replicas[w%2]
				for range each {
					if err := count(ctx, db); err != nil {
						t.Error(err)
					}
					if _, err := db.Append(ctx, "default", "audit", w); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		d, err := replicas[0].Get(ctx, key("counter"))
		if err != nil || string(d.Value) != fmt.Sprint(writers*each) {
			t.Errorf("counted to %s, %v", d.Value, err)
		}
		entries, err := replicas[1].Entries(ctx, "default", "audit", 0, 0)
		if err != nil || len(entries) != writers*each {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for i, e := range entries {
			if e.Sequence != int64(i+1) {
				t.Fatalf("entry %d has sequence %d", i, e.Sequence)
			}
		}
	})
}
