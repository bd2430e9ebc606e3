package logs

import (
	"context"
	"net/http"
	"slices"
	"sort"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/loki/v3/pkg/loghttp"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/util/marshal"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// Labels are found by the days on which streams had lines: an answer may name
// one whose lines of the day lie outside of the range.

func (a *API) labels(w http.ResponseWriter, r *http.Request) error {
	return a.writeLabels(w, r, func(ctx context.Context, matchers []*labels.Matcher, sp span) ([]string, error) {
		return a.store.labelStrings(ctx, server.Tenant(ctx), "arrayJoin(mapKeys(labels))", matchers, sp, func(ls labels.Labels, add func(string)) {
			ls.Range(func(l labels.Label) { add(l.Name) })
		})
	})
}

func (a *API) labelValues(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return a.writeLabels(w, r, func(ctx context.Context, matchers []*labels.Matcher, sp span) ([]string, error) {
		return a.store.labelStrings(ctx, server.Tenant(ctx), "labels["+storage.String(name)+"]", matchers, sp, func(ls labels.Labels, add func(string)) {
			add(ls.Get(name))
		})
	})
}

func (a *API) writeLabels(w http.ResponseWriter, r *http.Request, find func(context.Context, []*labels.Matcher, span) ([]string, error)) error {
	q, err := loghttp.ParseLabelQuery(r)
	if err != nil {
		return invalid(err)
	}
	var matchers []*labels.Matcher
	if q.Query != "" {
		if matchers, err = syntax.ParseMatchers(q.Query, true); err != nil {
			return invalid(err)
		}
	}
	found, err := find(r.Context(), matchers, span{q.Start.UnixNano(), q.End.UnixNano() + 1})
	if err != nil {
		return queryError(err)
	}
	asJSON(w)
	return marshal.WriteLabelResponseJSON(found, w)
}

// labelStrings returns what expr yields of streams' labels, sorted, without
// the empty string. With matchers it asks for the streams, and pick for what
// they yield.
func (s *Store) labelStrings(ctx context.Context, tenant, expr string, matchers []*labels.Matcher, sp span, pick func(labels.Labels, func(string))) ([]string, error) {
	var out []string
	if len(matchers) > 0 {
		set, err := s.streams(ctx, tenant, matchers, sp)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{"": true}
		for _, ls := range set.labels {
			pick(ls, func(v string) {
				if !seen[v] {
					seen[v] = true
					out = append(out, v)
				}
			})
		}
		sort.Strings(out)
		return out, nil
	}
	var value proto.ColStr
	_, err := s.client.Select(s.limits(ctx), storage.Select{
		SQL:    "SELECT DISTINCT CAST(" + expr + ", 'String') AS v FROM " + streamsTable.Name + " WHERE " + streamsWhere(tenant, nil, sp) + " ORDER BY v",
		Result: proto.Results{{Name: "v", Data: &value}},
		OnBlock: func(rows int) error {
			for i := range rows {
				if v := value.Row(i); v != "" {
					out = append(out, v)
				}
			}
			return nil
		},
	})
	return out, err
}

func (a *API) series(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseAndValidateSeriesQuery(r)
	if err != nil {
		return invalid(err)
	}
	groups, err := logql.MatchForSeriesRequest(q.Groups)
	if err != nil {
		return invalid(err)
	}
	if len(groups) == 0 {
		groups = append(groups, nil)
	}
	sp := span{q.Start.UnixNano(), q.End.UnixNano() + 1}
	seen := map[proto.UInt128]bool{}
	found := []logproto.SeriesIdentifier{}
	for _, matchers := range groups {
		set, err := a.store.streams(r.Context(), server.Tenant(r.Context()), matchers, sp)
		if err != nil {
			return queryError(err)
		}
		for i, id := range set.ids {
			if !seen[id] {
				seen[id] = true
				found = append(found, seriesIdentifier(set.labels[i]))
			}
		}
	}
	asJSON(w)
	return marshal.WriteSeriesResponseJSON(found, w)
}

func seriesIdentifier(ls labels.Labels) (s logproto.SeriesIdentifier) {
	ls.Range(func(l labels.Label) {
		s.Labels = append(s.Labels, logproto.SeriesIdentifier_LabelsEntry{Key: l.Name, Value: l.Value})
	})
	return s
}

// alwaysDetected are labels that detected_labels names whatever their values.
var alwaysDetected = []string{"cluster", "namespace", "instance", "pod"}

func (a *API) detectedLabels(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseDetectedLabelsQuery(r)
	if err != nil {
		return invalid(err)
	}
	var matchers []*labels.Matcher
	if q.Query != "" {
		if matchers, err = syntax.ParseMatchers(q.Query, true); err != nil {
			return invalid(err)
		}
	}
	set, err := a.store.streams(r.Context(), server.Tenant(r.Context()), matchers, span{q.Start.UnixNano(), q.End.UnixNano() + 1})
	if err != nil {
		return queryError(err)
	}
	values := map[string]map[string]bool{}
	for _, ls := range set.labels {
		ls.Range(func(l labels.Label) {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		})
	}
	out := &logproto.DetectedLabelsResponse{DetectedLabels: []*logproto.DetectedLabel{}}
	for name, vs := range values {
		if slices.Contains(alwaysDetected, name) || worthDetecting(vs) {
			out.DetectedLabels = append(out.DetectedLabels, &logproto.DetectedLabel{Label: name, Cardinality: uint64(len(vs))})
		}
	}
	sort.Slice(out.DetectedLabels, func(i, j int) bool { return out.DetectedLabels[i].Label < out.DetectedLabels[j].Label })
	asJSON(w)
	return marshal.WriteDetectedLabelsResponseJSON(out, w)
}
