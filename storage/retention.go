package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/common/model"
)

// Retention says how long rows live, counted from their table's Time. Zero is
// for ever.
type Retention struct {
	Default model.Duration            `yaml:"default"`
	Tenants map[string]model.Duration `yaml:"tenants,omitempty"` // instead of Default
}

// Validate tells all that is wrong with r.
func (r Retention) Validate() error {
	var errs []error
	check := func(key string, d model.Duration) {
		if d < 0 || d > 0 && time.Duration(d) < time.Hour {
			errs = append(errs, fmt.Errorf("%s: %v is less than 1h; 0 keeps rows for ever", key, d))
		}
	}
	check("default", r.Default)
	for _, tenant := range r.tenants() {
		check("tenants."+tenant, r.Tenants[tenant])
	}
	return errors.Join(errs...)
}

func (r Retention) tenants() []string {
	names := make([]string, 0, len(r.Tenants))
	for name := range r.Tenants {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ttl is the TTL clause for a table, empty when rows live for ever. Tables
// whose retention differs by tenant have a column tenant.
func (r Retention) ttl(t Table) string {
	expire, where := r.expiry(t)
	switch {
	case expire == "":
		return ""
	case where == "":
		return expire
	}
	return expire + " DELETE WHERE " + where
}

// expiry is when a row ends, and which rows end at all; empty where is all.
func (r Retention) expiry(t Table) (expire, where string) {
	if t.Time == "" {
		return "", ""
	}
	var ending, keeping, seconds []string
	for _, name := range r.tenants() {
		d := r.Tenants[name]
		switch {
		case d == r.Default:
		case d == 0:
			keeping = append(keeping, String(name))
		default:
			ending = append(ending, String(name))
			seconds = append(seconds, fmt.Sprint(int64(time.Duration(d).Seconds())))
		}
	}
	std := int64(time.Duration(r.Default).Seconds())
	if std == 0 && len(ending) == 0 {
		return "", ""
	}
	lifetime := fmt.Sprint(std)
	if len(ending) > 0 {
		lifetime = fmt.Sprintf("transform(tenant, [%s], [%s], %d)", strings.Join(ending, ", "), strings.Join(seconds, ", "), std)
	}
	// A DateTime ends in 2106: a sum beyond that would wrap around and expire
	// at once what should live longest.
	expire = fmt.Sprintf("toDateTime(least(toUnixTimestamp(toDateTime(%s)) + %s, 4294967295))", t.Time, lifetime)
	switch {
	case std == 0:
		where = "tenant IN (" + strings.Join(ending, ", ") + ")"
	case len(keeping) > 0:
		where = "tenant NOT IN (" + strings.Join(keeping, ", ") + ")"
	}
	return expire, where
}

// RetentionPlan is what a change of a table's retention would do.
type RetentionPlan struct {
	Table string
	// Was and Will are TTL clauses as the server writes them; empty is none.
	Was, Will string
	// Rows of the table are expired under Will and will be deleted in the
	// background. Bytes is their share of the table's size on disk, roughly.
	Rows, Bytes uint64
	// Statements bring the change about; none when there is nothing to change.
	Statements []string
}

// PlanRetention compares a table's retention with what it should be and counts
// the rows that would be deleted. It changes nothing.
func PlanRetention(ctx context.Context, c *Client, f Flavour, t Table, r Retention) (RetentionPlan, error) {
	p := RetentionPlan{Table: t.Name}
	if err := r.Validate(); err != nil {
		return p, fmt.Errorf("retention: %w", err)
	}
	local := t.LocalName(f)
	want := r.ttl(t)
	var err error
	if p.Was, err = readTTL(ctx, c, local); err != nil {
		return p, err
	}
	if p.Will, err = normalTTL(ctx, c, want); err != nil {
		return p, err
	}
	if p.Was == p.Will {
		return p, nil
	}
	alter := "ALTER TABLE " + local + f.onCluster() + " "
	if want == "" {
		p.Statements = []string{alter + "REMOVE TTL"}
		return p, nil
	}
	p.Statements = []string{
		// Parts that are there learn when their rows expire, without being
		// rewritten; merges delete the rows later.
		alter + "MODIFY SETTING materialize_ttl_recalculate_only = 1",
		alter + "MODIFY TTL " + want + " SETTINGS materialize_ttl_after_modify = 0",
		alter + "MATERIALIZE TTL SETTINGS mutations_sync = 0",
	}
	p.Rows, p.Bytes, err = expired(ctx, c, t, local, r)
	return p, err
}

// ApplyRetention makes a table's retention r, when it is not already, and
// reads it back. The plan tells what was done.
func ApplyRetention(ctx context.Context, c *Client, f Flavour, t Table, r Retention) (RetentionPlan, error) {
	p, err := PlanRetention(ctx, c, f, t, r)
	if err != nil {
		return p, err
	}
	for _, sql := range p.Statements {
		if err := c.Exec(ctx, sql); err != nil {
			return p, fmt.Errorf("cannot change the retention of table %s: %w", t.Name, err)
		}
	}
	if len(p.Statements) == 0 {
		return p, nil
	}
	is, err := readTTL(ctx, c, t.LocalName(f))
	if err != nil {
		return p, err
	}
	if is != p.Will {
		return p, fmt.Errorf("the retention of table %s is %q after it was set to %q", t.Name, is, p.Will)
	}
	level := slog.LevelInfo
	if p.Was == "" {
		level = slog.LevelDebug // a new table
	}
	c.log.Log(ctx, level, "changed retention", "table", t.Name, "was", p.Was, "is", p.Will, "expired_rows", p.Rows, "expired_bytes", p.Bytes)
	return p, nil
}

// readTTL is a table's TTL clause, as the server writes it.
func readTTL(ctx context.Context, c *Client, table string) (string, error) {
	sql, found, err := text(ctx, c, "SELECT engine_full AS v FROM system.tables WHERE database = currentDatabase() AND name = "+String(table))
	if err == nil && !found {
		err = errors.New("there is no such table")
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the retention of table %s: %w", table, err)
	}
	return cutTTL(sql), nil
}

// normalTTL has the server write a TTL clause in its way.
func normalTTL(ctx context.Context, c *Client, ttl string) (string, error) {
	if ttl == "" {
		return "", nil
	}
	create := "CREATE TABLE t (x UInt8) ENGINE = MergeTree ORDER BY x TTL " + ttl + " SETTINGS index_granularity = 8192"
	sql, _, err := text(ctx, c, "SELECT formatQuerySingleLine("+String(create)+") AS v")
	if err != nil {
		return "", fmt.Errorf("cannot format TTL %s: %w", ttl, err)
	}
	return cutTTL(sql), nil
}

// cutTTL cuts the TTL clause out of a table's definition. No string in the
// definition that the server writes before it has a clause of its own.
func cutTTL(definition string) string {
	i := strings.Index(definition, " TTL ")
	if i < 0 {
		return ""
	}
	ttl, _, _ := strings.Cut(definition[i+len(" TTL "):], " SETTINGS ")
	return ttl
}

// expired counts what r deletes of a table now.
func expired(ctx context.Context, c *Client, t Table, local string, r Retention) (rows, bytes uint64, err error) {
	expire, where := r.expiry(t)
	if where == "" {
		where = "1"
	}
	var n, perRow proto.ColUInt64
	_, err = c.Select(ctx, Select{
		SQL: fmt.Sprintf(`SELECT countIf(%s <= now() AND (%s)) AS n,
			toUInt64(ifNull((SELECT sum(bytes_on_disk) / greatest(sum(rows), 1) FROM system.parts WHERE active AND database = currentDatabase() AND table = %s), 0)) AS per_row
			FROM %s`, expire, where, String(local), t.Name),
		Result: proto.Results{{Name: "n", Data: &n}, {Name: "per_row", Data: &perRow}},
		OnBlock: func(int) error {
			rows, bytes = n.Row(0), n.Row(0)*perRow.Row(0)
			return nil
		},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("cannot count the expired rows of table %s: %w", t.Name, err)
	}
	return rows, bytes, nil
}

// text runs a query for one string.
func text(ctx context.Context, c *Client, sql string) (value string, found bool, err error) {
	var v proto.ColStr
	_, err = c.Select(ctx, Select{
		SQL: sql, Result: proto.Results{{Name: "v", Data: &v}},
		OnBlock: func(int) error { value, found = v.Row(0), true; return nil },
	})
	return value, found, err
}
