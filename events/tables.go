package events

import "github.com/watchfire/watchfire/storage"

// room names this package in the record of migrations.
const room = "events"

// Tables lists the room's tables, in no special order.
func Tables() []storage.Table { return []storage.Table{eventsTable, statesTable} }

// Migrations are the room's schema, oldest first.
func Migrations() []storage.Migration {
	return []storage.Migration{storage.CreateTables(room, 1, "tables", Tables()...)}
}

// dayOf is SQL for the day of a column of Unix nanoseconds, as a Date that
// can't overflow: times before 1970 count as its first day, times after 2149
// as the last that a Date holds.
func dayOf(column string) string {
	return "toDate(toUInt16(greatest(0, least(65535, intDiv(" + column + ", 86400000000000)))))"
}

// textColumn is a column of few distinct strings.
const textColumn = "LowCardinality(String)"

// codecPlain is the codec of columns with no better one.
const codecPlain = "ZSTD(1)"
