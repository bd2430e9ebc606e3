package traces

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// serviceName is the attribute that has a column of its own.
const serviceName = "service.name"

// attributeCondition compares an attribute of the columns attrs and
// attr_kinds, which spans and resources have alike. A missing attribute, or
// one of another type, is never equal and never different.
func attributeCondition(key, op string, v traceql.Value) condition {
	var (
		k     = storage.String(key)
		text  = "attrs[" + k + "]"
		kind  = "attr_kinds[indexOf(mapKeys(attrs), " + k + ")]"
		isOf  = func(kinds ...telemetry.Kind) string { return kind + kindIn(kinds...) }
		plain = isOf(telemetry.KindString)
	)
	switch v.Type {
	case traceql.TypeNil:
		switch op {
		case "=":
			return exactly("NOT mapContains(attrs, ", k, ")")
		case "!=":
			return exactly("mapContains(attrs, ", k, ")")
		}
	case traceql.TypeString:
		sql, ok := compareText(text, op, v.Str())
		if !ok {
			return never
		}
		return exactly(sql, " AND ", plain)
	case traceql.TypeBool:
		if op == "=" || op == "!=" {
			return exactly(text, " ", op, " ", storage.String(v.Text()), " AND ", isOf(telemetry.KindBool))
		}
	case traceql.TypeInt, traceql.TypeDuration:
		if n := v.Int(); op == "=" && n != 0 && n > -1e15 && n < 1e15 {
			// An integer and a whole float of its value have the same text.
			return exactly(text, " = ", storage.String(strconv.FormatInt(n, 10)), " AND ", isOf(telemetry.KindInt, telemetry.KindFloat))
		}
		return exactly(isOf(telemetry.KindInt), " AND toInt64OrZero(", text, ") ", op, " ", intLiteral(v.Int()),
			" OR ", isOf(telemetry.KindFloat), " AND toFloat64OrZero(", text, ") ", op, " ", floatLiteral(v.Float()))
	case traceql.TypeFloat:
		return exactly(isOf(telemetry.KindInt), " AND toFloat64(toInt64OrZero(", text, ")) ", op, " ", floatLiteral(v.Float()),
			" OR ", isOf(telemetry.KindFloat), " AND toFloat64OrZero(", text, ") ", op, " ", floatLiteral(v.Float()))
	}
	return never
}

func kindIn(kinds ...telemetry.Kind) string {
	if len(kinds) == 1 {
		return fmt.Sprintf(" = %d", kindNumber(kinds[0]))
	}
	s := " IN ("
	for i, k := range kinds {
		if i > 0 {
			s += ", "
		}
		s += strconv.Itoa(int(kindNumber(k)))
	}
	return s + ")"
}

func intLiteral(n int64) string { return "toInt64(" + storage.String(strconv.FormatInt(n, 10)) + ")" }

func floatLiteral(f float64) string {
	return "toFloat64(" + storage.String(strconv.FormatFloat(f, 'g', -1, 64)) + ")"
}

// compareText compares an SQL string.
func compareText(sql, op, v string) (string, bool) {
	switch op {
	case "=", "!=", "<", "<=", ">", ">=":
		return sql + " " + op + " " + storage.String(v), true
	case "=~":
		return "match(" + sql + ", " + storage.String(anchored(v)) + ")", true
	case "!~":
		return "NOT match(" + sql + ", " + storage.String(anchored(v)) + ")", true
	}
	return "", false
}

// anchored makes a pattern match whole strings, as Go's regexp does:
// ClickHouse's dot would match a newline.
func anchored(pattern string) string { return "^(?-s:" + pattern + ")$" }

// resourceCondition looks the resources up: they are few.
func (c compiler) resourceCondition(key, op string, v traceql.Value) condition {
	if key == serviceName && v.Type == traceql.TypeString && c.serviceDecides(op, v.Str()) {
		sql, _ := compareText("service", op, v.Str())
		return exactly(sql)
	}
	if v.Type == traceql.TypeNil && op == "=" {
		in := c.resourceCondition(key, "!=", v)
		return condition{"NOT " + in.sql, true}
	}
	cond := attributeCondition(key, op, v)
	if cond == never {
		return never
	}
	return exactly("resource_id GLOBAL IN (SELECT id FROM ", resourcesTable.Name, " WHERE tenant = ", storage.String(c.tenant), c.days(), " AND ", cond.sql, ")")
}

// days bounds the days of resources.
func (c compiler) days() string {
	if c.in.IsZero() {
		return ""
	}
	return fmt.Sprintf(" AND day BETWEEN toDate(toUInt16(%d)) AND toDate(toUInt16(%d))", dayAt(c.in.From), dayAt(c.in.To-1))
}

// serviceDecides reports whether the column service, which is empty for no
// service.name and for an empty one, can tell.
func (c compiler) serviceDecides(op, v string) bool {
	switch op {
	case "=":
		return v != ""
	case "=~":
		re, err := regexp.Compile("^(?:" + v + ")$")
		return err == nil && !re.MatchString("")
	}
	return false
}

// unscoped looks at the span's attribute, or else at the resource's.
func (c compiler) unscoped(key, op string, v traceql.Value) condition {
	span, res := attributeCondition(key, op, v), c.resourceCondition(key, op, v)
	if v.Type == traceql.TypeNil {
		if op == "=" {
			return both(span, res)
		}
		return either(span, res)
	}
	has := condition{"mapContains(attrs, " + storage.String(key) + ")", true}
	return either(span, both(condition{"NOT " + has.sql, true}, res))
}
