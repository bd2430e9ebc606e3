package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

const day = model.Duration(24 * time.Hour)

var aging = storage.Table{
	Name:        "aging",
	Columns:     []storage.Column{{Name: "tenant", Type: "LowCardinality(String)"}, {Name: "time", Type: "Int64"}},
	Engine:      "MergeTree",
	PartitionBy: "intDiv(time, 50 * 86400000)",
	OrderBy:     "tenant, time",
	Time:        "toDateTime(fromUnixTimestamp64Milli(time))",
	Settings:    []string{"merge_with_ttl_timeout = 0"},
}

func TestRetention(t *testing.T) {
	c := enginetest.Client(t)
	ctx := t.Context()
	for _, sql := range aging.Create(storage.Flavour{}) {
		if err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	// One row for each of the last 100 days and each tenant.
	fill := "INSERT INTO aging SELECT arrayJoin(['a', 'b', 'it''s']), toUnixTimestamp64Milli(now64(3)) - number * 86400000 FROM numbers(100) SETTINGS max_partitions_per_insert_block = 1000"
	if err := c.Exec(ctx, fill); err != nil {
		t.Fatal(err)
	}
	apply := func(r storage.Retention) storage.RetentionPlan {
		t.Helper()
		p, err := storage.ApplyRetention(ctx, c, storage.Flavour{}, aging, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := storage.PlanRetention(ctx, c, storage.Flavour{}, aging, r)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Statements) > 0 {
			t.Errorf("%+v is applied, and still differs: %q, %q", r, again.Was, again.Will)
		}
		return p
	}
	count := func(tenant string) uint64 {
		return scalar(t, c, "SELECT count() FROM aging WHERE tenant = "+storage.String(tenant))
	}

	if p := apply(storage.Retention{}); len(p.Statements) > 0 {
		t.Errorf("no retention needs %q", p.Statements)
	}
	// b and it's keep all; of a, days 0 to 29 stay.
	r := storage.Retention{Tenants: map[string]model.Duration{"a": 30 * day}}
	plan, err := storage.PlanRetention(ctx, c, storage.Flavour{}, aging, r)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Rows != 70 || plan.Bytes == 0 {
		t.Errorf("the plan would delete %d rows, %d bytes, want 70 rows", plan.Rows, plan.Bytes)
	}
	if n := count("a"); n != 100 {
		t.Errorf("planning deleted rows: %d left", n)
	}
	apply(r)
	eventually(t, "a's old rows go", func() bool { return count("a") == 30 })
	if b, i := count("b"), count("it's"); b != 100 || i != 100 {
		t.Errorf("b has %d rows, it's has %d, want 100", b, i)
	}
	// A default, with one tenant longer and one for ever.
	p := apply(storage.Retention{Default: 10 * day, Tenants: map[string]model.Duration{"b": 50 * day, "it's": 0}})
	if p.Rows != 20+50 {
		t.Errorf("the plan deletes %d rows, want 70", p.Rows)
	}
	eventually(t, "older rows go", func() bool { return count("a") == 10 && count("b") == 50 })
	if n := count("it's"); n != 100 {
		t.Errorf("it's has %d rows, want 100", n)
	}
	apply(storage.Retention{Default: 40 * day})
	eventually(t, "rows beyond the default go", func() bool { return count("b") == 40 && count("it's") == 40 })
	if p := apply(storage.Retention{Default: 90 * 365 * day}); p.Rows != 0 {
		t.Errorf("a retention beyond the end of DateTime deletes %d rows", p.Rows)
	}
	if p := apply(storage.Retention{}); fmt.Sprint(p.Statements) != "[ALTER TABLE aging REMOVE TTL]" {
		t.Errorf("got %q", p.Statements)
	}
}

func TestRetentionValidate(t *testing.T) {
	err := storage.Retention{Default: -1, Tenants: map[string]model.Duration{"x": 1}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "default: ") || !strings.Contains(err.Error(), "tenants.x: ") {
		t.Errorf("got %v", err)
	}
	if _, err := storage.PlanRetention(t.Context(), enginetest.Client(t), storage.Flavour{}, storage.Table{Name: "nowhere", Time: "now()"}, storage.Retention{Default: day}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v", err)
	}
}
