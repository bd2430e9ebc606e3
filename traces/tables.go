package traces

import "github.com/watchfire/watchfire/storage"

// room names this package in the record of migrations.
const room = "traces"

// Tables lists the room's tables, in no special order.
func Tables() []storage.Table {
	return []storage.Table{spansTable, byTraceTable, resourcesTable}
}

// Migrations are the room's schema, oldest first.
func Migrations() []storage.Migration {
	return []storage.Migration{storage.CreateTables(room, 1, "tables", Tables()...)}
}

// dayNanos is a day in nanoseconds.
const dayNanos = 86_400_000_000_000

// dayOf is SQL for the day of a column of Unix nanoseconds, as a Date that
// can't overflow: times before 1970 count as its first day, times after 2149
// as the last that a Date holds.
func dayOf(column string) string {
	return "toDate(toUInt16(greatest(0, least(65535, intDiv(" + column + ", 86400000000000)))))"
}

// dayAt is the same in Go, as days since 1970.
func dayAt(nanos int64) uint16 { return uint16(min(max(nanos/dayNanos, 0), 65535)) }

// slotNanos is the width of a slot of time in the key of the spans table:
// narrow enough that a query over minutes reads little else, wide enough that
// a service's spans lie together.
const slotNanos = 600_000_000_000

// slotAt is the slot of a time; all before 1970 is slot 0.
func slotAt(nanos int64) uint32 { return uint32(max(nanos/slotNanos, 0)) }

// textColumn is a column of few distinct strings.
const textColumn = "LowCardinality(String)"

// codecPlain is the codec of columns with no better one.
const codecPlain = "ZSTD(1)"
