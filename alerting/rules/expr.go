package rules

import (
	"errors"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// promParser takes all that the query engine takes.
var promParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true})

// checkExpr tells what is wrong with an expression at its place, and whether
// it ends in a comparison that filters.
func (r *reader) checkExpr(n *yaml.Node, lang Language) (filters bool) {
	if strings.TrimSpace(n.Value) == "" {
		r.fail(n, "write a query", "expr is empty")
		return false
	}
	if lang == LogQL {
		r.checkLogQL(n)
		return false
	}
	e, err := promParser.ParseExpr(n.Value)
	if err != nil {
		r.exprError(n, err)
		return false
	}
	if t := e.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		r.fail(n, "use a function over the range, such as rate()", "expr %q gives a %s, not an instant vector", n.Value, parser.DocumentedType(t))
	}
	return comparison(e)
}

func comparison(e parser.Expr) bool {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return comparison(e.Expr)
	case *parser.BinaryExpr:
		return e.Op.IsComparisonOperator() && !e.ReturnBool
	}
	return false
}

func (r *reader) checkLogQL(n *yaml.Node) {
	if r.opts.LogQL == nil {
		return
	}
	if err := r.opts.LogQL(n.Value); err != nil {
		r.fail(n, "a metric query, such as sum(count_over_time({app=\"x\"} |= \"error\" [5m]))",
			"expr %q is not a LogQL metric query: %s", n.Value, err)
	}
}

func (r *reader) exprError(n *yaml.Node, err error) {
	var all parser.ParseErrors
	if !errors.As(err, &all) || len(all) == 0 {
		r.fail(n, "", "expr %q does not parse: %s", n.Value, err)
		return
	}
	line, col := r.within(n, int(all[0].PositionRange.Start))
	r.failAt(line, col, "", "expr %q does not parse: %s", n.Value, all[0].Err)
}

// Metrics returns the metric names that a PromQL expression selects; complete
// is false when it also selects by something else than one name.
func Metrics(expr string) (names []string, complete bool) {
	e, err := promParser.ParseExpr(expr)
	if err != nil {
		return nil, false
	}
	complete = true
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok {
			if vs.Name == "" {
				complete = false
				return nil
			}
			names = append(names, vs.Name)
		}
		return nil
	})
	return names, complete
}
