package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sort"
	"strings"
)

// migrationsTable records what has been applied.
const migrationsTable = "watchfire_migrations"

// MigrateOption changes how Migrate works.
type MigrateOption func(*migrateOptions)

type migrateOptions struct {
	dryRun io.Writer
}

// DryRun makes Migrate change nothing, and write the DDL that it would run to
// out.
func DryRun(out io.Writer) MigrateOption {
	return func(o *migrateOptions) { o.dryRun = out }
}

// applied is a row of the migrations table.
type applied struct {
	Name     string
	Checksum string
}

// step is a migration with its statements.
type step struct {
	Migration
	statements []string
	checksum   string
}

func (s step) key() string { return fmt.Sprintf("%s/%d", s.Room, s.Number) }

// Migrate brings the database to the state that ms describe: what has not been
// applied yet is, in order of room and number, and recorded. It refuses a
// database with migrations of ms' rooms that ms do not have, because a newer
// binary made them, and one whose migrations were other than ms' of the same
// number. Two replicas that start at once may both apply a migration, as may
// one that was stopped between applying and recording: every statement must
// bear being run twice (IF NOT EXISTS and the like).
func Migrate(ctx context.Context, c *Client, f Flavour, ms []Migration, opts ...MigrateOption) error {
	var o migrateOptions
	for _, opt := range opts {
		opt(&o)
	}
	steps, err := plan(f, ms)
	if err != nil {
		return err
	}
	done, err := readMigrations(ctx, c, f, o.dryRun == nil)
	if err != nil {
		return err
	}
	pending, err := pendingSteps(steps, done)
	if err != nil {
		return err
	}
	for _, s := range pending {
		if o.dryRun != nil {
			if err := renderStep(o.dryRun, s); err != nil {
				return err
			}
			continue
		}
		if err := apply(ctx, c, s); err != nil {
			return err
		}
	}
	return nil
}

// plan renders migrations, sorts them and checks their numbers.
func plan(f Flavour, ms []Migration) ([]step, error) {
	steps := make([]step, 0, len(ms))
	for _, m := range ms {
		s := step{Migration: m, statements: m.Statements(f)}
		sum := sha256.Sum256([]byte(strings.Join(s.statements, ";\n")))
		s.checksum = hex.EncodeToString(sum[:8])
		steps = append(steps, s)
	}
	sort.SliceStable(steps, func(i, j int) bool {
		if steps[i].Room != steps[j].Room {
			return steps[i].Room < steps[j].Room
		}
		return steps[i].Number < steps[j].Number
	})
	for i, s := range steps {
		want := 1
		if i > 0 && steps[i-1].Room == s.Room {
			want = steps[i-1].Number + 1
		}
		if s.Number != want {
			return nil, fmt.Errorf("migration %s %q should have number %d", s.key(), s.Name, want)
		}
	}
	return steps, nil
}

// pendingSteps decides what is to be applied.
func pendingSteps(steps []step, done map[string]applied) ([]step, error) {
	known := make(map[string]bool, len(steps))
	var pending []step
	for _, s := range steps {
		known[s.key()] = true
		was, ok := done[s.key()]
		if !ok {
			pending = append(pending, s)
			continue
		}
		if was.Checksum != s.checksum {
			return nil, fmt.Errorf("migration %s %q differs from %q that was applied to this database (checksum %s, applied %s): a migration that has landed must not change",
				s.key(), s.Name, was.Name, s.checksum, was.Checksum)
		}
	}
	rooms := map[string]bool{}
	for _, s := range steps {
		rooms[s.Room] = true
	}
	for key, was := range done {
		room, _, _ := strings.Cut(key, "/")
		if !known[key] && rooms[room] {
			return nil, fmt.Errorf("the database has migration %s %q, which this build does not know: it was made by a newer build, run that one", key, was.Name)
		}
	}
	return pending, nil
}

func apply(ctx context.Context, c *Client, s step) error {
	for _, sql := range s.statements {
		if err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("cannot apply migration %s %q: %w", s.key(), s.Name, err)
		}
	}
	insert := fmt.Sprintf("INSERT INTO %s (room, number, name, checksum) SETTINGS async_insert = 0, distributed_foreground_insert = 1 VALUES (%s, %d, %s, %s)",
		migrationsTable, String(s.Room), s.Number, String(s.Name), String(s.checksum))
	if err := c.Exec(ctx, insert); err != nil {
		return fmt.Errorf("cannot record migration %s %q: %w", s.key(), s.Name, err)
	}
	c.log.Info("applied migration", "room", s.Room, "number", s.Number, "name", s.Name)
	return nil
}

// readMigrations returns what has been applied, by "room/number".
func readMigrations(ctx context.Context, c *Client, f Flavour, create bool) (map[string]applied, error) {
	if create {
		for _, sql := range migrationsDDL(f) {
			if err := c.Exec(ctx, sql); err != nil {
				return nil, fmt.Errorf("cannot create the table of migrations: %w", err)
			}
		}
	}
	rows, err := c.Query(ctx, "SELECT room, number, name, checksum FROM "+migrationsTable+" FINAL")
	if err != nil {
		if !create && isCode(err, codeUnknownTable) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read the table of migrations: %w", err)
	}
	defer rows.Close()
	done := map[string]applied{}
	for rows.Next() {
		var (
			room   string
			number uint32
			a      applied
		)
		if err := rows.Scan(&room, &number, &a.Name, &a.Checksum); err != nil {
			return nil, fmt.Errorf("cannot read the table of migrations: %w", err)
		}
		done[fmt.Sprintf("%s/%d", room, number)] = a
	}
	return done, rows.Err()
}

// migrationsDDL creates the table of migrations. Every shard of an unreplicated
// cluster is migrated by itself and has a table of its own.
func migrationsDDL(f Flavour) []string {
	t := Table{
		Name: migrationsTable,
		Columns: []Column{
			{Name: "room", Type: "String"},
			{Name: "number", Type: "UInt32"},
			{Name: "name", Type: "String"},
			{Name: "checksum", Type: "String"},
			{Name: "applied_at", Type: "DateTime64(3, 'UTC')", Default: "DEFAULT now64(3)"},
		},
		Engine:  "ReplacingMergeTree",
		OrderBy: "room, number",
	}
	if f.Unreplicated {
		f = Flavour{}
	}
	return t.Create(f)
}

// RenderMigrations is the DDL of ms as text, for golden files.
func RenderMigrations(f Flavour, ms []Migration) string {
	var b strings.Builder
	for _, m := range ms {
		_ = renderStep(&b, step{Migration: m, statements: m.Statements(f)}) // a Builder never fails
	}
	return b.String()
}

func renderStep(w io.Writer, s step) error {
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s %d: %s\n", s.Room, s.Number, s.Name)
	for _, sql := range s.statements {
		b.WriteString(sql)
		b.WriteString(";\n\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
