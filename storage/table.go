package storage

import (
	"fmt"
	"strings"
)

// Flavour says how tables are laid out on the server.
type Flavour struct {
	// Cluster names the ClickHouse cluster; empty is one server with plain
	// MergeTree tables.
	Cluster string
	// Unreplicated makes plain MergeTree tables below Distributed ones, for a
	// cluster whose shards have one replica each and no Keeper.
	Unreplicated bool
}

// Column is one column of a Table.
type Column struct {
	Name    string
	Type    string
	Codec   string // inside CODEC(...); empty = the server's default
	Default string // such as "DEFAULT 0" or "MATERIALIZED expr"; empty = none
}

// Table describes a ClickHouse table and renders its DDL.
type Table struct {
	Name        string
	Columns     []Column
	Extra       []string // INDEX and PROJECTION clauses
	Engine      string   // MergeTree, ReplacingMergeTree(x), ...: the single-server engine
	PartitionBy string
	PrimaryKey  string // empty = OrderBy
	OrderBy     string
	// Time is an expression of type Date or DateTime that retention counts
	// from; empty = rows live for ever. It must not overflow for any row.
	Time     string
	ShardBy  string   // sharding expression of the Distributed table
	Settings []string // "name = value"
}

// localSuffix ends the name of the table that holds a shard's rows; queries
// and inserts use the plain name in both flavours.
const localSuffix = "_local"

// LocalName is the name of the table that holds the rows.
func (t Table) LocalName(f Flavour) string {
	if f.Cluster == "" {
		return t.Name
	}
	return t.Name + localSuffix
}

// Create renders CREATE TABLE: one statement on a single server, two on a
// cluster.
func (t Table) Create(f Flavour) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s%s\n(\n", t.LocalName(f), f.onCluster())
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "    %s %s", Ident(c.Name), c.Type)
		if c.Default != "" {
			b.WriteString(" " + c.Default)
		}
		if c.Codec != "" {
			fmt.Fprintf(&b, " CODEC(%s)", c.Codec)
		}
	}
	for _, x := range t.Extra {
		b.WriteString(",\n    " + x)
	}
	fmt.Fprintf(&b, "\n)\nENGINE = %s", f.engine(t.Engine))
	if t.PartitionBy != "" {
		fmt.Fprintf(&b, "\nPARTITION BY %s", t.PartitionBy)
	}
	if t.PrimaryKey != "" {
		fmt.Fprintf(&b, "\nPRIMARY KEY (%s)", t.PrimaryKey)
	}
	fmt.Fprintf(&b, "\nORDER BY (%s)", t.OrderBy)
	fmt.Fprintf(&b, "\nSETTINGS %s", strings.Join(append(f.durable(), t.Settings...), ", "))
	if f.Cluster == "" {
		return []string{b.String()}
	}
	shard := t.ShardBy
	if shard == "" {
		shard = "rand()"
	}
	dist := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s\nENGINE = Distributed(%s, currentDatabase(), %s, %s)",
		t.Name, f.onCluster(), t.LocalName(f), String(f.Cluster), t.LocalName(f), shard)
	return []string{b.String(), dist}
}

// onCluster is empty for an unreplicated cluster too: without Keeper there is
// no queue of distributed DDL, each shard is migrated by itself.
func (f Flavour) onCluster() string {
	if f.Cluster == "" || f.Unreplicated {
		return ""
	}
	return " ON CLUSTER " + Ident(f.Cluster)
}

// durable are the settings behind "acknowledged means stored, once", which a
// server does not have by itself: inserts are fsynced, and a repeated insert is
// known by its token. Replicated tables have a window of tokens anyhow.
func (f Flavour) durable() []string {
	s := []string{"fsync_after_insert = 1", "fsync_part_directory = 1"}
	if f.Cluster == "" || f.Unreplicated {
		s = append(s, "non_replicated_deduplication_window = 10000")
	}
	return s
}

// engine turns X(args) into ReplicatedX('path', 'replica', args) on a
// replicated cluster.
func (f Flavour) engine(engine string) string {
	if f.Cluster == "" || f.Unreplicated {
		return engine
	}
	name, args, _ := strings.Cut(strings.TrimSuffix(engine, ")"), "(")
	path := "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
	if args != "" {
		path += ", " + args
	}
	return fmt.Sprintf("Replicated%s(%s)", name, path)
}
