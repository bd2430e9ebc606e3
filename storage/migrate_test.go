package storage_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// migration makes a migration of one statement.
func migration(room string, number int, sql string) storage.Migration {
	return storage.Migration{Room: room, Number: number, Name: "step", Statements: func(storage.Flavour) []string { return []string{sql} }}
}

func TestMigrate(t *testing.T) {
	c := enginetest.Client(t)
	create := migration("mig", 1, "CREATE TABLE IF NOT EXISTS mig (a UInt8) ENGINE = MergeTree ORDER BY a")
	add := migration("mig", 2, "ALTER TABLE mig ADD COLUMN IF NOT EXISTS b UInt8")
	ctx := t.Context()

	var ddl strings.Builder
	if err := storage.Migrate(ctx, c, storage.Flavour{}, []storage.Migration{create, add}, storage.DryRun(&ddl)); err != nil {
		t.Fatal(err)
	}
	if want := "-- mig 1: step\nCREATE TABLE IF NOT EXISTS mig (a UInt8) ENGINE = MergeTree ORDER BY a;\n\n-- mig 2: step\nALTER TABLE mig ADD COLUMN IF NOT EXISTS b UInt8;\n\n"; ddl.String() != want {
		t.Errorf("dry run says\n%s", ddl.String())
	}
	if n := scalar(t, c, "SELECT count() FROM system.tables WHERE name = 'mig'"); n != 0 {
		t.Error("the dry run made the table")
	}

	// Replicas that start at once, out of order of numbers.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := storage.Migrate(ctx, c, storage.Flavour{}, []storage.Migration{add, create}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := scalar(t, c, "SELECT count() FROM system.columns WHERE table = 'mig'"); n != 2 {
		t.Errorf("the table has %d columns, want 2", n)
	}
	ddl.Reset()
	if err := storage.Migrate(ctx, c, storage.Flavour{}, []storage.Migration{create, add}, storage.DryRun(&ddl)); err != nil || ddl.Len() > 0 {
		t.Errorf("after all is applied a dry run says %q, %v", ddl.String(), err)
	}

	for name, test := range map[string]struct {
		ms   []storage.Migration
		want string
	}{
		"older binary": {[]storage.Migration{create}, `has migration mig/2 "step", which this build does not know`},
		"changed":      {[]storage.Migration{create, migration("mig", 2, "SELECT 1")}, `migration mig/2 "step" differs`},
		"gap":          {[]storage.Migration{create, add, migration("mig", 4, "SELECT 1")}, `mig/4 "step" should have number 3`},
		"twice":        {[]storage.Migration{create, create}, `mig/1 "step" should have number 2`},
		"broken":       {[]storage.Migration{create, add, migration("mig", 3, "DROP TABLE nowhere")}, `cannot apply migration mig/3 "step"`},
	} {
		if err := storage.Migrate(ctx, c, storage.Flavour{}, test.ms); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
