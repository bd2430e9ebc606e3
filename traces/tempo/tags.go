package tempo

import (
	"net/http"
	"slices"
	"strings"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/traces/traceql"
)

// tagScopes are the scopes of tags in the order of answers.
var tagScopes = []traceql.Scope{
	traceql.ScopeResource, traceql.ScopeSpan, traceql.ScopeEvent, traceql.ScopeLink, traceql.ScopeInstrumentation, traceql.ScopeIntrinsic,
}

type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// names lists the tags of the scopes that a request asks for.
func (a *API) names(r *http.Request) (out []scopeTags, stats storage.Stats, err error) {
	params := r.URL.Query()
	in, err := rangeOf(params)
	if err != nil {
		return nil, stats, err
	}
	limit, err := count(params, "limit", 0)
	if err != nil {
		return nil, stats, err
	}
	want := params.Get("scope")
	known := want == "" || want == "none" || want == "all"
	filter := lenientFilter(params.Get("q"))
	for _, scope := range tagScopes {
		if want == scope.String() {
			known = true
		} else if want != "" && want != "none" && want != "all" {
			continue
		}
		names, s, err := a.reader.TagNames(r.Context(), server.Tenant(r.Context()), scope, in, filter, limit)
		stats.Add(s)
		if err != nil {
			return nil, stats, err
		}
		if len(names) > 0 {
			out = append(out, scopeTags{scope.String(), names})
		}
	}
	if !known {
		return nil, stats, server.Invalid("invalid scope: %s", want)
	}
	return out, stats, nil
}

func (a *API) tags(w http.ResponseWriter, r *http.Request) error {
	scopes, stats, err := a.names(r)
	if err != nil {
		return err
	}
	names := []string{}
	for _, s := range scopes {
		if s.Name == traceql.ScopeIntrinsic.String() && r.URL.Query().Get("scope") != s.Name {
			continue
		}
		names = append(names, s.Tags...)
	}
	slices.Sort(names)
	return server.WriteJSON(w, map[string]any{"tagNames": slices.Compact(names), "metrics": metricsOf(stats)})
}

func (a *API) tagsV2(w http.ResponseWriter, r *http.Request) error {
	scopes, stats, err := a.names(r)
	if err != nil {
		return err
	}
	if scopes == nil {
		scopes = []scopeTags{}
	}
	return server.WriteJSON(w, map[string]any{"scopes": scopes, "metrics": metricsOf(stats)})
}

// values lists the values of a field.
func (a *API) values(r *http.Request, f traceql.Field) ([]traceql.Value, storage.Stats, error) {
	params := r.URL.Query()
	in, err := rangeOf(params)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	limit, err := count(params, "limit", 0)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	return a.reader.TagValues(r.Context(), server.Tenant(r.Context()), f, in, lenientFilter(params.Get("q")), limit)
}

// tagName is the name in /tag/{name}/values.
func tagName(r *http.Request) (string, error) {
	name, ok := strings.CutSuffix(r.PathValue("rest"), "/values")
	if !ok || name == "" {
		return "", server.NotFound("no such path %s: want .../tag/NAME/values", r.URL.Path)
	}
	return name, nil
}

// olderNames are the intrinsics that the first version of the API has.
var olderNames = map[string]string{
	"name": traceql.SpanName, "status": traceql.SpanStatus, "status.code": traceql.SpanStatus, "kind": traceql.SpanKind,
	"root.name": traceql.RootName, "root.service.name": traceql.RootService,
}

func (a *API) tagValues(w http.ResponseWriter, r *http.Request) error {
	name, err := tagName(r)
	if err != nil {
		return err
	}
	f := traceql.Field{Scope: traceql.ScopeAny, Name: name}
	if intrinsic, ok := olderNames[name]; ok {
		f = traceql.Field{Scope: traceql.ScopeIntrinsic, Name: intrinsic}
	} else if scoped, err := traceql.ParseField(name); err == nil {
		f = scoped
	}
	values, stats, err := a.values(r, f)
	if err != nil {
		return err
	}
	texts := []string{}
	for _, v := range values {
		texts = append(texts, v.Text())
	}
	return server.WriteJSON(w, map[string]any{"tagValues": slices.Compact(texts), "metrics": metricsOf(stats)})
}

type typedValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (a *API) tagValuesV2(w http.ResponseWriter, r *http.Request) error {
	name, err := tagName(r)
	if err != nil {
		return err
	}
	f, err := traceql.ParseField(name)
	if err != nil {
		return server.Invalid("invalid tag name %q: %w", name, err)
	}
	values, stats, err := a.values(r, f)
	if err != nil {
		return err
	}
	typed := []typedValue{}
	for _, v := range values {
		// Status and kind are keywords.
		typ := v.Type.String()
		if v.Type == traceql.TypeStatus || v.Type == traceql.TypeKind {
			typ = "keyword"
		}
		typed = append(typed, typedValue{typ, v.Text()})
	}
	return server.WriteJSON(w, map[string]any{"tagValues": typed, "metrics": metricsOf(stats)})
}
