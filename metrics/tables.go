package metrics

import "github.com/watchfire/watchfire/storage"

// room names this package in the record of migrations.
const room = "metrics"

// Tables lists the room's tables, in no special order.
func Tables() []storage.Table {
	return []storage.Table{
		samplesTable, histogramsTable, seriesTable, labelsTable, exemplarsTable, metadataTable,
	}
}

// Migrations are the room's schema, oldest first.
func Migrations() []storage.Migration {
	return []storage.Migration{
		storage.CreateTables(room, 1, "tables", Tables()...),
	}
}

// dayOf is SQL for the day of a time column, as a Date that can't overflow:
// times before 1970 count as its first day, times after 2149 as the last that
// a Date holds. (toDate of a number of seconds would read small ones as days.)
func dayOf(column string) string {
	return "toDate(toUInt16(greatest(0, least(65535, intDiv(" + column + ", 86400000)))))"
}

// Codecs shared by the tables; see docs/adr/0003-sample-layout.md.
const (
	codecPlain = "ZSTD(1)"
	codecTime  = "DoubleDelta, ZSTD(1)"
	codecValue = "ZSTD(1)"
)

// textColumn is a column of few distinct strings.
const textColumn = "LowCardinality(String)"
