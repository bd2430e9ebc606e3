package logs

import (
	"strings"

	"github.com/grafana/loki/v3/pkg/logql/log"
	logql "github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/regexp/syntax"

	"github.com/watchfire/watchfire/storage"
)

// condition is SQL that every line must meet which a filter lets through.
type condition struct {
	sql   string // empty = SQL can't help
	exact bool   // and no other line meets it
}

// lineFilter compiles a chain of line filters, which all must match.
func lineFilter(e *logql.LineFilterExpr) condition {
	all := condition{exact: true}
	var conds []string
	for ; e != nil; e = e.Left {
		c := oneOf(e)
		all.exact = all.exact && c.exact
		if c.sql != "" {
			conds = append(conds, c.sql)
		}
	}
	all.sql = strings.Join(conds, " AND ")
	return all
}

// oneOf compiles |= "a" or "b" ...; the parser has turned != "a" or "b" into a
// chain.
func oneOf(e *logql.LineFilterExpr) condition {
	any := condition{exact: true}
	var conds []string
	for alt := e; alt != nil; alt = alt.Or {
		c := needleFilter(alt)
		if c.sql == "" {
			return condition{exact: c.exact && e.Or == nil}
		}
		any.exact = any.exact && c.exact
		conds = append(conds, c.sql)
	}
	any.sql = conds[0]
	if len(conds) > 1 {
		any.sql = "((" + strings.Join(conds, ") OR (") + "))"
	}
	return any
}

// needleFilter compiles one comparison with a line.
func needleFilter(e *logql.LineFilterExpr) condition {
	switch {
	case e.Op != "": // |= ip("...")
		return condition{}
	case e.Ty == log.LineMatchEqual && e.Match == "":
		return condition{exact: true} // every line contains nothing
	case e.Ty == log.LineMatchEqual:
		return condition{containsSQL("body", e.Match), true}
	case e.Ty == log.LineMatchNotEqual && e.Match != "":
		return condition{"position(body, " + storage.String(e.Match) + ") = 0", true}
	case e.Ty == log.LineMatchRegexp:
		return matchRegex(e.Match, true)
	case e.Ty == log.LineMatchNotRegexp:
		return matchRegex(e.Match, false)
	}
	return condition{}
}

// matchRegex compiles |~ and !~. ClickHouse has RE2, whose syntax and meaning
// Go's regexp took over; the expression is sent as Go prints it, with all flags
// spelled out. Lines are UTF-8, on which both agree. Case is not: Loki compares
// a plain word without regard to case by rules of its own, so such conditions
// are not exact, and ClickHouse only asked when they can't exclude too much.
func matchRegex(expr string, want bool) condition {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return condition{}
	}
	folds := foldsCase(re)
	re = re.Simplify()
	if re.Op == syntax.OpPlus && re.Sub[0].Op == syntax.OpAnyCharNotNL {
		return condition{} // .+ is any line but the empty one to Loki, even "\n"
	}
	if !want {
		if folds || !portable(re) {
			return condition{}
		}
		return condition{"NOT match(body, " + storage.String(re.String()) + ")", true}
	}
	var conds []string
	for _, literal := range requiredLiterals(re) {
		conds = append(conds, pieceConditions("body", literal)...)
	}
	if !portable(re) || folds && !foldsASCII(re) {
		return condition{sql: strings.Join(conds, " AND ")}
	}
	conds = append([]string{"match(body, " + storage.String(re.String()) + ")"}, conds...)
	return condition{strings.Join(conds, " AND "), !folds}
}

// portable reports whether RE2 in C++ takes the expression as Go does. Both
// refuse repetitions beyond 1000; sizes differ, so long ones stay here.
func portable(re *syntax.Regexp) bool { return len(re.String()) <= 1000 }

// foldsCase reports whether any part ignores case.
func foldsCase(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		return true
	}
	for _, sub := range re.Sub {
		if foldsCase(sub) {
			return true
		}
	}
	return false
}

// foldsASCII reports whether all parts that ignore case are ASCII: there RE2
// matches whatever Loki's comparison does, and a little more (the Kelvin sign
// for a k).
func foldsASCII(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		for _, r := range re.Rune {
			if r >= 0x80 {
				return false
			}
		}
	}
	for _, sub := range re.Sub {
		if !foldsASCII(sub) {
			return false
		}
	}
	return true
}

// requiredLiterals are texts that every match contains.
func requiredLiterals(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiterals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return requiredLiterals(re.Sub[0])
		}
	case syntax.OpConcat:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, requiredLiterals(sub)...)
		}
		return all
	}
	return nil
}
