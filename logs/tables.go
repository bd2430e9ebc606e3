package logs

import "github.com/watchfire/watchfire/storage"

// room names this package in the record of migrations.
const room = "logs"

// Tables lists the room's tables, in no special order.
func Tables() []storage.Table { return []storage.Table{recordsTable, streamsTable} }

// Migrations are the room's schema, oldest first.
func Migrations() []storage.Migration {
	return []storage.Migration{storage.CreateTables(room, 1, "tables", Tables()...)}
}

// textColumn is a column of few distinct strings.
const textColumn = "LowCardinality(String)"

// dayOf is SQL for the UTC day of a time column in nanoseconds, as a Date that
// can't overflow: times before 1970 count as its first day.
func dayOf(column string) string {
	return "toDate(toUInt16(greatest(0, least(65535, intDiv(" + column + ", 86400000000000)))))"
}

const nsPerDay = 86_400_000_000_000

// day is a UTC day since 1970-01-01, clamped to what a Date holds.
type day uint16

// dayAt is dayOf in Go.
func dayAt(ns int64) day { return day(max(0, min(65535, ns/nsPerDay))) }
