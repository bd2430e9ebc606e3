package logs

import (
	"github.com/grafana/loki/v3/pkg/logql/syntax"
)

// pushed is what SQL can do of a pipeline. Conditions never exclude a line
// that the pipeline lets through; the pipeline runs again over what comes back,
// unless a caller finds all of them exact.
type pushed struct {
	conditions []string
	// exact: the conditions let through just what the pipeline does, and the
	// pipeline changes neither lines nor labels.
	exact bool
	// filters: the pipeline only filters, so that most of what comes back is
	// wanted.
	filters bool
}

// pushDown compiles the stages of a pipeline. inStream is as in labelFilter.
func pushDown(stages syntax.MultiStageExpr, inStream func(string) bool) pushed {
	p := pushed{exact: true, filters: true}
	lineIntact, labelsIntact := true, true
	for _, stage := range stages {
		var c condition
		switch e := stage.(type) {
		case *syntax.LineFilterExpr:
			if lineIntact {
				c = lineFilter(e)
			}
		case *syntax.LabelFilterExpr:
			if labelsIntact {
				c = labelFilter(e.LabelFilterer, inStream)
			}
			p.filters = p.filters && c.sql != ""
		case *syntax.LineParserExpr:
			lineIntact = lineIntact && e.Op != syntax.OpParserTypeUnpack
			labelsIntact = false
		case *syntax.LogfmtParserExpr, *syntax.JSONExpressionParserExpr, *syntax.LogfmtExpressionParserExpr,
			*syntax.LabelFmtExpr, *syntax.DropLabelsExpr, *syntax.KeepLabelsExpr:
			labelsIntact = false
		case *syntax.LineFmtExpr, *syntax.DecolorizeExpr:
			lineIntact = false
		default:
			lineIntact, labelsIntact = false, false
		}
		p.exact = p.exact && c.exact
		if c.sql != "" {
			p.conditions = append(p.conditions, c.sql)
		}
	}
	return p
}

// stagesOf are the stages of a selector's pipeline.
func stagesOf(e syntax.LogSelectorExpr) syntax.MultiStageExpr {
	if p, ok := e.(*syntax.PipelineExpr); ok {
		return p.MultiStages
	}
	return nil
}
