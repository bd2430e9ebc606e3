package traces

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/traces/traceql"
)

// traceSlack is how far beyond a search's range its traces' other spans are
// looked for: a root that started earlier, a span that ends later.
const traceSlack = time.Hour

// noParent is parent_id of a root.
const noParent = "toFixedString('', 8)"

// textIntrinsics are columns of text, or SQL that makes them text.
var textIntrinsics = map[string]string{
	traceql.SpanName:          "name",
	traceql.SpanStatusMessage: "status_message",
	traceql.ScopeName:         "scope_name",
	traceql.ScopeVersion:      "scope_version",
	traceql.SpanID:            "lower(hex(span_id))",
	traceql.TraceID:           "lower(hex(trace_id))",
}

// listIntrinsics are columns of a text for each event or link.
var listIntrinsics = map[string][2]string{
	traceql.EventName:   {"event_names", "x"},
	traceql.LinkTraceID: {"link_traces", "lower(hex(x))"},
	traceql.LinkSpanID:  {"link_spans", "lower(hex(x))"},
}

// intrinsic compares an intrinsic with a constant.
func (c compiler) intrinsic(name, op string, v traceql.Value) condition {
	if v.Type == traceql.TypeNil {
		return perhaps
	}
	if column, ok := textIntrinsics[name]; ok {
		if id, err := hex.DecodeString(v.Str()); name == traceql.TraceID && op == "=" && err == nil && len(id) == 16 && hex.EncodeToString(id) == v.Str() {
			return exactly("trace_id = unhex('", v.Str(), "')")
		}
		return textCondition(column, op, v)
	}
	if list, ok := listIntrinsics[name]; ok {
		sql, ok := compareText(list[1], op, v.Str())
		if !ok {
			return never
		}
		return exactly("arrayExists(x -> ", sql, ", ", list[0], ")")
	}
	switch name {
	case traceql.SpanDuration:
		return durationCondition("duration", op, v)
	case traceql.SpanStatus:
		return exactly("status ", op, " ", fmt.Sprint(v.Int()))
	case traceql.SpanKind:
		return exactly("kind ", op, " ", fmt.Sprint(v.Int()))
	case traceql.SpanParentID:
		return both(exactly("parent_id != ", noParent), textCondition("lower(hex(parent_id))", op, v))
	case traceql.NestedSetParent:
		if v.Type == traceql.TypeInt && (op == "<" && v.Int() == 0 || op == "=" && v.Int() == -1) {
			return exactly("parent_id = ", noParent)
		}
	case traceql.EventSinceStart:
		return condition{"notEmpty(event_names)", false}
	case traceql.RootName:
		return c.ofRoot(textCondition("name", op, v))
	case traceql.RootService:
		return c.ofRoot(textCondition("service", op, v))
	case traceql.TraceDuration:
		if op == ">" || op == ">=" {
			return c.ofTrace("GROUP BY trace_id HAVING " + durationCondition("max(start + duration) - min(start)", op, v).sql)
		}
	}
	return perhaps
}

func textCondition(column, op string, v traceql.Value) condition {
	sql, ok := compareText(column, op, v.Str())
	if !ok {
		return never
	}
	return exactly(sql)
}

func durationCondition(column, op string, v traceql.Value) condition {
	if v.Type == traceql.TypeFloat {
		return exactly("toFloat64(", column, ") ", op, " ", floatLiteral(v.Float()))
	}
	return exactly(column, " ", op, " ", intLiteral(v.Int()))
}

// ofRoot holds for spans of traces that have a root for which cond holds. The
// trace's true root, if it has several, is for the evaluation to find.
func (c compiler) ofRoot(cond condition) condition {
	return c.ofTrace("AND parent_id = " + noParent + " AND " + cond.sql)
}

func (c compiler) ofTrace(where string) condition {
	near := c.in.widen(traceSlack)
	return condition{fmt.Sprintf("trace_id GLOBAL IN (SELECT trace_id FROM %s WHERE %s %s)", spansTable.Name, spansWhere(c.tenant, near), where), false}
}

// widen is the range with a margin on both sides.
func (r Range) widen(by time.Duration) Range {
	if r.IsZero() {
		return r
	}
	return Range{r.From - int64(by), r.To + int64(by)}
}

// spansWhere is the condition that leaves a tenant's spans of a time: the key
// of the spans table.
func spansWhere(tenant string, in Range) string {
	where := "tenant = " + storage.String(tenant)
	if in.IsZero() {
		return where
	}
	return where + fmt.Sprintf(" AND slot BETWEEN %d AND %d%s", slotAt(in.From), slotAt(in.To-1), in.where("start"))
}
