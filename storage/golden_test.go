package storage

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden holds got against a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

func TestTableDDL(t *testing.T) {
	table := Table{
		Name: "samples",
		Columns: []Column{
			{Name: "tenant", Type: "LowCardinality(String)"},
			{Name: "time", Type: "Int64", Codec: "DoubleDelta, LZ4"},
			{Name: "value", Type: "Float64", Default: "DEFAULT 0"},
		},
		Extra:       []string{"INDEX by_value value TYPE minmax GRANULARITY 1"},
		Engine:      "ReplacingMergeTree(time)",
		PartitionBy: "intDiv(time, 86400000)",
		PrimaryKey:  "tenant",
		OrderBy:     "tenant, time",
		Time:        "fromUnixTimestamp64Milli(time)",
		ShardBy:     "cityHash64(tenant)",
		Settings:    []string{"index_granularity = 8192"},
	}
	ms := []Migration{CreateTables("metrics", 1, "samples", table)}
	golden(t, "single.sql", RenderMigrations(Flavour{}, ms))
	golden(t, "cluster.sql", RenderMigrations(Flavour{Cluster: "main"}, ms))
	golden(t, "unreplicated.sql", RenderMigrations(Flavour{Cluster: "main", Unreplicated: true}, ms))
	var migrations string
	for _, f := range []Flavour{{}, {Cluster: "main"}, {Cluster: "main", Unreplicated: true}} {
		for _, sql := range migrationsDDL(f) {
			migrations += sql + ";\n\n"
		}
	}
	golden(t, "migrations.sql", migrations)
}
