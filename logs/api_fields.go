package logs

import (
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/grafana/loki/v3/pkg/loghttp"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/grafana/loki/v3/pkg/util/httpreq"
	"github.com/grafana/loki/v3/pkg/util/marshal"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
)

var idValue = regexp.MustCompile(`^(\d+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$`)

// worthDetecting tells labels that people pick from a list from those whose
// values are all ids; "0" and "1" alone are no ids.
func worthDetecting(values map[string]bool) bool {
	flags := len(values) <= 2
	for v := range values {
		if !idValue.MatchString(v) {
			return true
		}
		flags = flags && (v == "0" || v == "1")
	}
	return flags && len(values) > 0
}

// field is what lines tell of a name.
type field struct {
	values   map[string]bool
	kind     logproto.DetectedFieldType
	parsers  []string
	jsonPath []string
}

func (a *API) detectedFields(w http.ResponseWriter, r *http.Request) error {
	q, fields, err := a.fields(r)
	if err != nil {
		return err
	}
	out := &logproto.DetectedFieldsResponse{}
	for name, f := range fields {
		out.Fields = append(out.Fields, &logproto.DetectedField{
			Label: name, Type: f.kind, Cardinality: uint64(len(f.values)), Parsers: f.parsers, JsonPath: f.jsonPath,
		})
	}
	sort.Slice(out.Fields, func(i, j int) bool { return out.Fields[i].Label < out.Fields[j].Label })
	if len(out.Fields) > int(q.Limit) {
		out.Fields = out.Fields[:q.Limit]
	}
	if len(out.Fields) > 0 {
		out.Limit = q.Limit
	}
	asJSON(w)
	return marshal.WriteDetectedFieldsResponseJSON(out, w)
}

func (a *API) detectedFieldValues(w http.ResponseWriter, r *http.Request) error {
	q, fields, err := a.fields(r)
	if err != nil {
		return err
	}
	out := &logproto.DetectedFieldsResponse{}
	if f := fields[r.PathValue("name")]; f != nil {
		for v := range f.values {
			out.Values = append(out.Values, v)
		}
		sort.Strings(out.Values)
		if len(out.Values) > int(q.Limit) {
			out.Values = out.Values[:q.Limit]
		}
		out.Limit = q.Limit
	}
	asJSON(w)
	return marshal.WriteDetectedFieldsResponseJSON(out, w)
}

// fields looks at the newest lines of a selector.
func (a *API) fields(r *http.Request) (*logproto.DetectedFieldsRequest, map[string]*field, error) {
	q, err := loghttp.ParseDetectedFieldsQuery(r)
	if err != nil {
		return nil, nil, invalid(err)
	}
	if _, err := syntax.ParseLogSelector(q.Query, true); err != nil {
		return nil, nil, invalid(err)
	}
	ctx := httpreq.AddEncodingFlagsToContext(r.Context(), httpreq.NewEncodingFlags(httpreq.FlagCategorizeLabels))
	result, err := a.engine.Exec(ctx, server.Tenant(ctx), Params{Query: q.Query, Start: q.Start, End: q.End, Limit: int(q.LineLimit)})
	if err != nil {
		return nil, nil, err
	}
	fields := map[string]*field{}
	streams, _ := result.Data.(logqlmodel.Streams)
	for _, s := range streams {
		ls, err := syntax.ParseLabels(s.Labels)
		if err != nil {
			ls = labels.EmptyLabels()
		}
		for _, e := range s.Entries {
			lineFields(fields, ls, e)
		}
	}
	return q, fields, nil
}

// lineFields adds what a line tells: its structured metadata, and the fields
// that parsing it as JSON or logfmt finds.
func lineFields(fields map[string]*field, stream labels.Labels, e logproto.Entry) {
	for _, l := range e.StructuredMetadata {
		addField(fields, l.Name, l.Value, nil)
	}
	b := log.NewBaseLabelsBuilder().ForLabels(stream, labels.StableHash(stream))
	parser := "json"
	if _, ok := log.NewJSONParser(true).Process(0, []byte(e.Line), b); !ok || b.HasErr() {
		b.Reset()
		parser = "logfmt"
		if _, ok := log.NewLogfmtParser(false, false).Process(0, []byte(e.Line), b); !ok || b.HasErr() {
			return
		}
	}
	b.LabelsResult().Parsed().Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__") {
			return
		}
		f := addField(fields, l.Name, l.Value, []string{parser})
		if parser == "json" {
			f.jsonPath = b.GetJSONPath(l.Name)
		}
	})
}

func addField(fields map[string]*field, name, value string, parsers []string) *field {
	f := fields[name]
	if f == nil {
		f = &field{values: map[string]bool{}}
		fields[name] = f
	}
	f.values[value] = true
	f.kind = kindOf(value)
	for _, p := range parsers {
		if !slices.Contains(f.parsers, p) {
			f.parsers = append(f.parsers, p)
		}
	}
	return f
}

// kindOf guesses the type of a value in Loki's order.
func kindOf(v string) logproto.DetectedFieldType {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return logproto.DetectedFieldInt
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return logproto.DetectedFieldFloat
	}
	if _, err := strconv.ParseBool(v); err == nil {
		return logproto.DetectedFieldBoolean
	}
	if _, err := time.ParseDuration(v); err == nil {
		return logproto.DetectedFieldDuration
	}
	if _, err := humanize.ParseBytes(v); err == nil {
		return logproto.DetectedFieldBytes
	}
	return logproto.DetectedFieldString
}
