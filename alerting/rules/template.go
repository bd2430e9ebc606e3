package rules

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/template"
)

// TemplateData is what labels and annotations can show: Prometheus' variables,
// and the level with its threshold.
type TemplateData struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string
	Value          any // a float64 or a *histogram.FloatHistogram
	Level          string
	Threshold      float64
}

// templateDefs gives the data the short names of Prometheus' rules.
const templateDefs = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}" +
	"{{$value := .Value}}{{$level := .Level}}{{$threshold := .Threshold}}"

// Expand fills in a template of the alert name at a moment. A template that
// fails gives its error as text, as Prometheus does: a page with an ugly
// summary is better than none.
func Expand(ctx context.Context, name, text string, d *TemplateData, at time.Time, query template.QueryFunc, external *url.URL) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	te := template.NewTemplateExpander(ctx, templateDefs+text, "__alert_"+name, d,
		model.Time(timestamp.FromTime(at)), query, external, nil)
	s, err := te.Expand()
	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err)
	}
	return s
}

func checkTemplate(name, text string) error {
	te := template.NewTemplateExpander(context.Background(), templateDefs+text, "__alert_"+name, &TemplateData{},
		0, nil, nil, nil)
	if err := te.ParseTest(); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "template: __alert_"+name+":"))
	}
	return nil
}
