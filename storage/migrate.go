package storage

// Migration is one forward step of a room's schema. Numbers count from 1 in
// each room and are never reused; a migration that has landed never changes.
type Migration struct {
	Room       string // metrics, logs, traces, events, ...
	Number     int
	Name       string
	Statements func(Flavour) []string
}

// CreateTables is the usual first migration: it creates tables.
func CreateTables(room string, number int, name string, tables ...Table) Migration {
	return Migration{Room: room, Number: number, Name: name, Statements: func(f Flavour) []string {
		var out []string
		for _, t := range tables {
			out = append(out, t.Create(f)...)
		}
		return out
	}}
}
