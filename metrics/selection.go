package metrics

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/storage"
)

// selection is what a selector asks for: series of a tenant by matchers,
// within the times [mint, maxt] in Unix milliseconds.
type selection struct {
	tenant     string
	mint, maxt int64
	matchers   []*labels.Matcher
}

// seriesWhere is the condition on metrics_series.
func (s selection) seriesWhere() string {
	conds := []string{"tenant = " + storage.String(s.tenant), daysSQL(s.mint, s.maxt)}
	for _, m := range s.matchers {
		if c := matcherSQL(m); c != "" && c != "1" {
			conds = append(conds, c)
		}
	}
	return strings.Join(conds, " AND ")
}

// daysSQL is the condition that a row of a table by month is of a day within
// [mint, maxt].
func daysSQL(mint, maxt int64) string {
	months := monthsBetween(mint, maxt)
	if len(months) > 24 {
		// Long ranges: whole months do.
		return fmt.Sprintf("month BETWEEN '%s' AND '%s'", months[0].first, months[len(months)-1].first)
	}
	var parts []string
	for _, m := range months {
		parts = append(parts, fmt.Sprintf("month = '%s' AND bitAnd(days, %d) != 0", m.first, m.bits))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// byNameOnly tells that the selector takes every series of its metric.
func (s selection) byNameOnly() bool {
	for _, m := range s.matchers {
		if m.Name != labels.MetricName {
			return false
		}
	}
	return len(s.matchers) > 0
}

// maxLiterals is how many metrics or series a query names; beyond, it has a
// subquery find them again, for the text of a query is limited to 256 KiB.
const maxLiterals = 1000

// rowsWhere is the condition on a table of samples for the series that were
// found. Some rows of other series may pass it.
func (s selection) rowsWhere(found *found) string {
	conds := []string{"tenant = " + storage.String(s.tenant)}
	if names := found.metrics(); len(names) <= maxLiterals {
		conds = append(conds, inSQL("metric", names, storage.String))
	}
	if !s.byNameOnly() {
		conds = append(conds, s.seriesIn(found))
	}
	conds = append(conds, fmt.Sprintf("time BETWEEN %d AND %d", s.mint, s.maxt))
	return strings.Join(conds, " AND ")
}

func (s selection) seriesIn(found *found) string {
	if len(found.series) > maxLiterals {
		return fmt.Sprintf("series IN (SELECT id FROM %s WHERE %s)", seriesTable.Name, s.seriesWhere())
	}
	ids := make([]string, 0, len(found.series))
	for i := range found.series {
		ids = append(ids, uint128SQL(found.series[i].id))
	}
	return inSQL("series", ids, func(id string) string { return id })
}

// inSQL is column = a or column IN (a, b).
func inSQL(column string, values []string, quote func(string) string) string {
	if len(values) == 1 {
		return column + " = " + quote(values[0])
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return column + " IN (" + strings.Join(quoted, ", ") + ")"
}

// smallRead is the number of rows up to which one thread reads a query's rows,
// in one step: more would cost more than they save.
const smallRead = 200_000

// settings are those of a query for rows of the series that were found.
func (s selection) settings(found *found) string {
	out := "distributed_product_mode = 'local'"
	if rows := int64(len(found.series)) * ((s.maxt-s.mint)/15_000 + 1); rows >= 0 && rows < smallRead {
		out += ", max_threads = 1, optimize_move_to_prewhere = 0"
	}
	return out
}
